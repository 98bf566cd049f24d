"""Edge: what a process that decides must look at after a crash of its predecessor: its own output.

A record behind the committed offset may have been decided by a predecessor that died before its commit, perhaps under
another configuration. What it wrote then lies in its output topics, no earlier than its last commit (whose metadata is
the wall clock then, see `CommitTime`) and no earlier than the record itself.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition

from schemas.commit_marks import CommitTime
from shared.kafka.client import consuming
from shared.kafka.records import In
from shared.kafka.replay import LogReader, read_range
from shared.process.settings import Settings

Progress = Callable[[], None]
"""Called whenever reading has come further."""

MARGIN_MS: Final = 10_000
"""Clocks of our processes and of brokers may differ by this much."""


@dataclass(frozen=True, slots=True)
class ReplayRange:
    """A partition with records behind its committed offset: they end at `end`, and what a predecessor made of them
    was written at `since_ms` (wall clock) or later."""

    end: int
    since_ms: int


async def replay_ranges(
    settings: Settings,
    committed: Mapping[TopicPartition, tuple[int, str]],
    partitions: Iterable[TopicPartition],
    progress: Progress,
) -> dict[TopicPartition, ReplayRange]:
    """By partition, the records behind what the group has `committed` (`committed_with_metadata`), if there are any."""
    held = list(partitions)
    async with consuming(settings) as consumer:
        ends = await consumer.end_offsets(held)
    found: dict[TopicPartition, ReplayRange] = {}
    for tp in held:
        offset, text = committed.get(tp, (None, ""))
        if offset is None or offset < ends[tp]:
            first_ms = await _first_timestamp(settings, tp, offset, ends[tp])
            progress()
            if first_ms is not None:
                committed_at = CommitTime.from_text(text)
                begun_ms = max(committed_at.at_ms, first_ms) if committed_at else first_ms
                found[tp] = ReplayRange(ends[tp], begun_ms - MARGIN_MS)
    return found


async def _first_timestamp(settings: Settings, tp: TopicPartition, start: int | None, end: int) -> int | None:
    """When the first record from `start` on was written; None when there is none."""
    async with aclosing(read_range(settings, tp.topic, tp.partition, start, end)) as batches:
        async for batch in batches:
            return int(batch[0].timestamp)
    return None


class ReplayProgress:
    """How far the records of replay ranges have been handled. True while some have not."""

    def __init__(self) -> None:
        self._ends: dict[TopicPartition, int] = {}

    def __bool__(self) -> bool:
        return bool(self._ends)

    def begin(self, ranges: Mapping[TopicPartition, ReplayRange]) -> None:
        self._ends = {tp: one.end for tp, one in ranges.items()}

    def handled(self, records: Sequence[In]) -> None:
        for record in records:
            tp = TopicPartition(record.topic, record.partition)
            if record.offset + 1 >= self._ends.get(tp, record.offset + 2):
                del self._ends[tp]


async def read_since(
    settings: Settings,
    topics: Iterable[str],
    since_ms: int,
    take: Callable[[ConsumerRecord], None],
    progress: Progress,
) -> None:
    """Give everything that was written to `topics` at `since_ms` (wall clock) or later to `take`.

    Transactions that are open are waited for: what lies behind their first record cannot be seen before.
    """
    async with LogReader(settings, progress) as reader:
        await reader.read(await reader.since(topics, since_ms), take)
