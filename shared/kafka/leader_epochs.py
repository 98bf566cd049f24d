"""Edge: has a partition had the same leader all the time?

The controller counts the leaders of a partition, and moments without one: its leader's epoch. Kafka 4.1 to 4.3 leaves a
transaction's marker out where a partition has no leader just then, and calls the transaction complete (KAFKA-20734).
Where the epoch is the same before and after, there was a leader all the time, and the marker is there.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Int8, Int16, Int32, Int64, Schema, String

from shared.kafka import seam

_TEXT: Final = String("utf-8")
_LATEST: Final = -1
_ANY_EPOCH: Final = -1
_UNKNOWN_TOPIC_OR_PARTITION: Final = 3
_AGAIN: Final = frozenset({5, 6, 74, 76, 78})
"""No leader, not this one, and what a broker says that is about to learn of its partition."""
_RETRY_S: Final = 0.05


class _Offsets(Response):  # type: ignore[misc]  # aiokafka is untyped here
    API_KEY = 2
    API_VERSION = 4
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            Array(
                ("topic", _TEXT),
                (
                    "partitions",
                    Array(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("timestamp", Int64),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                    ),
                ),
            ),
        ),
    )


class _ListOffsetsV4(RequestStruct):  # type: ignore[misc]  # as above
    API_KEY = 2
    API_VERSION = 4
    RESPONSE_TYPE = _Offsets
    SCHEMA = Schema(
        ("replica_id", Int32),
        ("isolation_level", Int8),
        (
            "topics",
            Array(
                ("topic", _TEXT),
                ("partitions", Array(("partition", Int32), ("leader_epoch", Int32), ("timestamp", Int64))),
            ),
        ),
    )


class _ListOffsets(Request[_ListOffsetsV4]):  # type: ignore[misc]  # as above
    API_KEY = 2

    def __init__(self, partitions: Collection[TopicPartition]) -> None:
        self._topics: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
        for tp in partitions:
            self._topics[tp.topic].append((tp.partition, _ANY_EPOCH, _LATEST))

    def build(self, request_struct_class: type[_ListOffsetsV4]) -> _ListOffsetsV4:
        return request_struct_class(-1, 0, list(self._topics.items()))


async def leader_epochs(client: AIOKafkaClient, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
    """The epoch of each partition's leader, as itself says; of one that is deleted there is none.

    Waits until all of them have a leader: the caller has a limit. Raises `KafkaError`.
    """
    found: dict[TopicPartition, int] = {}
    left = set(partitions)
    while left:
        for leader, led in (await _by_leader(client, left)).items():
            for tp, code, epoch in await _ask(client, leader, led):
                if code and code not in _AGAIN and code != _UNKNOWN_TOPIC_OR_PARTITION:
                    raise for_code(code)(f"the leader of {tp.topic}, partition {tp.partition}")
                if not code:
                    found[tp] = epoch
                if code not in _AGAIN:
                    left.discard(tp)
        if left:
            await asyncio.sleep(_RETRY_S)
    return found


async def _by_leader(client: AIOKafkaClient, left: set[TopicPartition]) -> dict[int, list[TopicPartition]]:
    """Who is to be asked for what, as a broker sees it now. What is deleted goes from `left`."""
    by_leader: dict[int, list[TopicPartition]] = defaultdict(list)
    try:
        cluster = await seam.all_metadata(client)
    except KafkaError:
        return by_leader
    for tp in list(left):
        leader = cluster.leader_for_partition(tp)
        if leader is None:
            left.discard(tp)
        elif leader >= 0:
            by_leader[leader].append(tp)
    return by_leader


async def _ask(
    client: AIOKafkaClient, leader: int, partitions: Collection[TopicPartition]
) -> list[tuple[TopicPartition, int, int]]:
    """Partition, error and epoch of each; nothing where the broker does not answer."""
    try:
        answer: Any = await client.send(leader, _ListOffsets(partitions))
    except KafkaError as error:
        if not error.retriable:
            raise
        return []
    return [
        (TopicPartition(topic, partition), code, epoch)
        for topic, told in answer.topics
        for partition, code, _, _, epoch in told
    ]
