"""Edge: the offsets that a group has committed, in a version of the request that aiokafka does not have.

A transaction's offsets and its records become visible one after the other, each when its own partition has the marker.
aiokafka asks in version 3, which answers with the offsets before a transaction that has committed already: whoever
takes over with them reads records again that were worked off. Version 7 (Kafka 2.5) can be told to wait
(`require_stable`). And the coordinator must be one that knows all it has written (`coordinator_barrier.py`).
"""

import asyncio
from contextlib import suppress
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    for_code,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

from shared.kafka import seam
from shared.kafka.client import administering
from shared.kafka.coordinator_barrier import until_whole
from shared.kafka.errors import KafkaUnavailable
from shared.kafka.produce import TRANSACTION_TIMEOUT_MS
from shared.process.settings import Settings

SETTLED_WITHIN_S: Final = 3 * TRANSACTION_TIMEOUT_MS / 1000
"""By default a broker looks only every ten seconds for transactions that have timed out."""

_OFFSET_FETCH: Final = 9
_RETRIABLE: Final = frozenset({14, 15, 16, 88})
"""Coordinator loading, not available, moved; and an offset that an open transaction is about to move."""
_RETRY_S: Final = 0.05
_BEING_MADE_OR_MOVED: Final = (
    GroupCoordinatorNotAvailableError,  # the first group of a cluster
    NodeNotReadyError,  # the broker is dead, and nobody says yet who goes on
    KafkaConnectionError,
)

Committed = dict[TopicPartition, tuple[int, str]]
"""Offset and metadata text by partition."""


class UnstableOffsets(Exception):
    """The coordinator could not say in time what is committed. Retryable."""


class _ResponseV7(Response):  # type: ignore[misc]  # aiokafka is untyped here
    API_KEY = _OFFSET_FETCH
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", CompactString("utf-8")),
                        ("error_code", Int16),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("error_code", Int16),
        ("tags", TaggedFields),
    )


class _RequestV7(RequestStruct):  # type: ignore[misc]  # as above
    FLEXIBLE_VERSION = True
    API_KEY = _OFFSET_FETCH
    API_VERSION = 7
    RESPONSE_TYPE = _ResponseV7
    SCHEMA = Schema(
        ("group", CompactString("utf-8")),
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")), ("partitions", CompactArray(Int32)), ("tags", TaggedFields)
            ),
        ),
        ("require_stable", Boolean),
        ("tags", TaggedFields),
    )


class _StableOffsets(Request[_RequestV7]):  # type: ignore[misc]  # as above
    API_KEY = _OFFSET_FETCH

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[_RequestV7]) -> _RequestV7:
        every_partition = None
        return request_struct_class(self._group, every_partition, True, {})


async def stable_offsets(admin: AIOKafkaAdminClient, group: str, timeout_s: float) -> Committed:
    """What `group` has committed, once no transaction is about to change it, by a coordinator that knows all it has
    written. Partitions without a commit are left out.

    Raises `UnstableOffsets` when that took too long, and `KafkaError`.
    """
    try:
        async with asyncio.timeout(timeout_s):
            await until_whole(admin, group)
            while True:
                with suppress(*_BEING_MADE_OR_MOVED):
                    answer = await seam.ask_coordinator(admin, group, _StableOffsets(group))
                    if (found := _read(answer)) is not None:
                        return found
                await asyncio.sleep(_RETRY_S)
    except TimeoutError:
        raise UnstableOffsets(
            f"the offsets of group {group} were not settled within {timeout_s:.0f} s; "
            "`smsgw topics hanging` tells whether a transaction hangs"
        ) from None


def _read(answer: Any) -> Committed | None:
    """The offsets in an answer; None = ask again. Raises `KafkaError` for an error that asking again does not mend."""
    found: Committed = {}
    codes = {answer.error_code}
    for topic, partitions, _ in answer.topics or ():
        for partition, offset, _, metadata, code, _ in partitions:
            codes.add(code)
            if offset >= 0:
                found[TopicPartition(topic, partition)] = (offset, metadata or "")
    codes.discard(0)
    for code in codes - _RETRIABLE:
        error: KafkaError = for_code(code)("committed offsets could not be read")
        raise error
    return None if codes else found


async def committed_with_metadata(settings: Settings, group: str) -> dict[TopicPartition, tuple[int, str]]:
    """What `group` has committed: offset and metadata text, by partition (`consumer.committed()` hides the text).

    Waits for transactions that are about to commit offsets of the group. Raises `KafkaUnavailable` when they do not end
    although they must have timed out.
    """
    async with administering(settings) as admin:
        try:
            return await stable_offsets(admin, group, SETTLED_WITHIN_S)
        except UnstableOffsets as error:
            raise KafkaUnavailable(str(error)) from error
