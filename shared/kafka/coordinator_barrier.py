"""Edge: does a group coordinator know all that it has written? Asked before its answers are believed.

Kafka keeps committed offsets in `__consumer_offsets`, and the broker that leads a partition of it answers from memory.
Where such a partition is led, let go and led again within the time that it takes to load it, as after `kill -9` of a
broker that comes back at once, the end of the first load counts as the end of the second (seen with 4.3.1): for some
seconds the coordinator serves what it has loaded so far. It says of every group that nothing is committed, or, of a
long log, what was committed hours ago. Whoever believes that does all of it a second time.

It cannot write, though: the broker compares where its log ends with where the coordinator thinks that it does, refuses
the write and loads anew. So one small commit in the same partition, by a group that has no members, proves that what is
read afterwards is whole.
"""

import asyncio
import logging
from itertools import count
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError, for_code
from aiokafka.protocol.commit import OffsetCommitRequest

from schemas.groups import barrier_group
from schemas.topics import SERVICE_STATES
from shared.kafka import seam

log = logging.getLogger(__name__)

OFFSETS_TOPIC: Final = "__consumer_offsets"
_UNKNOWN_TOPIC: Final = 3
_MAY_NOT_DESCRIBE: Final = 29
_RETRIABLE: Final = frozenset({7, 14, 15, 16})
"""Timed out; coordinator loading, not available, not this one (which is what the refused write is called)."""
_AGAIN_S: Final = 0.5
"""Each refused write has the coordinator load anew: whoever asks quickly keeps it from ever getting there."""


async def until_whole(admin: AIOKafkaAdminClient, group: str) -> None:
    """Returns once the coordinator of `group` has written something: what it says of the group is whole then.

    Nothing is written where no group has ever committed, none of our topics are there, or we may not describe
    `__consumer_offsets` (which is logged). Takes as long as it takes:
    the caller has a limit. Raises `KafkaError`.
    """
    partitions = await _offsets_partitions(admin)
    if partitions == 0:
        return
    barrier = sibling(group, partitions)
    while code := await _write(admin, group, barrier):
        if code == _UNKNOWN_TOPIC:
            return
        if code not in _RETRIABLE:
            error: KafkaError = for_code(code)(f"the coordinator of group {group} could not be asked")
            raise error
        log.warning("the coordinator of group %s does not know all that it has written (error %d)", group, code)
        await asyncio.sleep(_AGAIN_S)


async def _offsets_partitions(admin: AIOKafkaAdminClient) -> int:
    """Of `__consumer_offsets`; 0 = not there."""
    topics = await admin.describe_topics([OFFSETS_TOPIC])
    if any(topic["error_code"] == _MAY_NOT_DESCRIBE for topic in topics):
        log.warning("without the right to describe %s it is believed without a proof", OFFSETS_TOPIC)
    return sum(len(topic["partitions"]) for topic in topics if topic["error_code"] == 0)


async def _write(admin: AIOKafkaAdminClient, group: str, barrier: str) -> int:
    """Commit for `barrier` at the coordinator of `group`; Kafka's error code, 0 = it is written."""
    place = [(SERVICE_STATES, [(0, 0, "")])]
    request = OffsetCommitRequest(barrier, -1, "", -1, place)
    try:
        answer: Any = await seam.ask_coordinator(admin, group, request)
    except GroupCoordinatorNotAvailableError as error:
        return int(error.errno)
    return max(int(code) for _, partitions in answer.topics for _, code in partitions)


def sibling(group: str, partitions: int) -> str:
    """The name of a barrier's group whose offsets lie in the same of `partitions` as those of `group`."""
    wanted = offsets_partition(group, partitions)
    return next(name for n in count() if offsets_partition(name := barrier_group(n), partitions) == wanted)


def offsets_partition(group: str, partitions: int) -> int:
    """The partition of `__consumer_offsets` that has the offsets of `group`: Java's hash of the name, without sign."""
    code = 0
    units = group.encode("utf-16-be")
    for high, low in zip(units[::2], units[1::2], strict=True):
        code = (31 * code + (high << 8 | low)) & 0xFFFF_FFFF
    signed = code - (1 << 32) if code >= 1 << 31 else code
    return 0 if signed == -(1 << 31) else abs(signed) % partitions
