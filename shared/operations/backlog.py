"""Edge: what still waits in the topics of connectors.

Offsets are not dense (transaction markers take some), so what is left between a committed offset and the end is read
where it is little, and taken for full where it is much.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.commit_marks import BinderMark
from schemas.gateway.file import Draining
from schemas.groups import BINDER_GROUP, THROTTLER_GROUP
from schemas.topics import SEGMENT_LANES, dispatch_topic, feedback_topic, segments_topic
from shared.kafka.client import consuming, partitions_of
from shared.kafka.committed_offsets import committed_with_metadata
from shared.operations.kafka_access import kafka_errors, ranges_of
from shared.process.settings import Settings

READ_AT_MOST: Final = 500
"""Offsets of one partition that are read rather than believed; a few transactions leave no more than that."""

Range = tuple[int, int]
"""From the first offset that counts to before the second."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is unfinished of one connector: messages in its lanes, segments dispatched and not answered, answers that
    nobody has read.
    """

    lanes: int
    dispatched: int
    answers: int

    def sentence(self) -> str:
        """What there is of it; empty when there is nothing."""
        parts = (
            (self.lanes, "messages in its lanes"),
            (self.dispatched, "segments dispatched and not answered"),
            (self.answers, "answers not read"),
        )
        return ", ".join(f"{count} {what}" for count, what in parts if count)


async def waiting_messages(settings: Settings, connector_ids: Iterable[str]) -> dict[str, int]:
    """Messages in the lanes of each connector that the throttler has not taken; none for one without topics.

    Raises `Unreachable`.
    """
    async with kafka_errors(settings), consuming(settings) as consumer:
        committed = _positions(await committed_with_metadata(settings, THROTTLER_GROUP))
        existing = await consumer.topics()
        found: dict[str, int] = {}
        for connector_id in connector_ids:
            lanes = [name for name in _lanes(connector_id) if name in existing]
            if lanes:
                found[connector_id] = await _left(consumer, lanes, committed)
        return found


async def left_of_removed(settings: Settings, removed: Iterable[Draining], at_ms: int) -> dict[str, str]:
    """What keeps each removed connector from being finished, in words; one of which nothing is left is not in it.

    Beside its backlog that is what was dispatched within its receipt deadline: receipts may come, unless it does not
    wait for them. Raises `Unreachable`.
    """
    found = {}
    for one in removed:
        connector_id = one.connector.id
        left = (await backlog_of(settings, connector_id)).sentence()
        since_ms = at_ms - one.connector.receipt_deadline_s * 1000
        if not left and not one.now and await _dispatched_since(settings, connector_id, since_ms):
            left = "segments that were dispatched within its receipt deadline"
        if left:
            found[connector_id] = left
    return found


async def _dispatched_since(settings: Settings, connector_id: str, since_ms: int) -> bool:
    """Whether anything was dispatched at `since_ms` or later, by the time that its records have."""
    async with kafka_errors(settings), consuming(settings) as consumer:
        topic = dispatch_topic(connector_id)
        if topic not in await consumer.topics():
            return False
        found = await consumer.offsets_for_times(dict.fromkeys(await partitions_of(consumer, topic), since_ms))
        return any(place is not None for place in found.values())


async def backlog_of(settings: Settings, connector_id: str) -> Backlog:
    """Everything of the connector that nobody has finished, whoever would have to. Raises `Unreachable`."""
    async with kafka_errors(settings), consuming(settings) as consumer:
        throttler = _positions(await committed_with_metadata(settings, THROTTLER_GROUP))
        binder = answered_below(await committed_with_metadata(settings, BINDER_GROUP))
        existing = await consumer.topics()

        async def left(names: Iterable[str], positions: Mapping[TopicPartition, int]) -> int:
            return await _left(consumer, [name for name in names if name in existing], positions)

        return Backlog(
            await left(_lanes(connector_id), throttler),
            await left([dispatch_topic(connector_id)], binder),
            await left([feedback_topic(connector_id)], throttler),
        )


def answered_below(committed: Mapping[TopicPartition, tuple[int, str]]) -> dict[TopicPartition, int]:
    """The binder's commits say what is claimed; their metadata says from which offset on answers are missing."""
    found = {}
    for tp, (offset, text) in committed.items():
        mark = BinderMark.from_text(text)
        found[tp] = min(offset, mark.answered_below) if mark else offset
    return found


def _positions(committed: Mapping[TopicPartition, tuple[int, str]]) -> dict[TopicPartition, int]:
    return {tp: offset for tp, (offset, _) in committed.items()}


def _lanes(connector_id: str) -> list[str]:
    return [segments_topic(connector_id, lane) for lane in SEGMENT_LANES]


async def _left(consumer: AIOKafkaConsumer, topics: list[str], positions: Mapping[TopicPartition, int]) -> int:
    """Records of `topics` at or behind `positions`; from the beginning of a partition that has no position."""
    if not topics:
        return 0
    found = await ranges_of(consumer, topics)
    ranges = {tp: (max(positions.get(tp, 0), start), end) for tp, (start, end) in found.items()}
    many = sum(end - start for start, end in ranges.values() if end - start > READ_AT_MOST)
    few = {tp: (start, end) for tp, (start, end) in ranges.items() if 0 < end - start <= READ_AT_MOST}
    return many + await _count(consumer, few)


async def _count(consumer: AIOKafkaConsumer, ranges: Mapping[TopicPartition, Range]) -> int:
    """Committed records in the ranges, by reading them."""
    if not ranges:
        return 0
    consumer.assign(list(ranges))
    for tp, (start, _) in ranges.items():
        consumer.seek(tp, start)
    count = 0
    unread = set(ranges)
    while unread:
        found = await consumer.getmany(*unread, timeout_ms=200)
        count += sum(record.offset < ranges[tp][1] for tp, records in found.items() for record in records)
        unread = {tp for tp in unread if await consumer.position(tp) < ranges[tp][1]}
    return count
