"""Edge: what a process that decides must look at after a crash of its predecessor: its own output.

A record behind the committed offset may have been decided by a predecessor that died before its commit, perhaps under
another configuration. What it wrote then lies in its output topics, no earlier than the last append before its last
commit (`StageMark`) and no earlier than the record itself. All these times are Kafka's own: its topics are
LogAppendTime. Nothing can be added to what lies there: the predecessor was fenced before (`output.AtLeastOnce`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition

from schemas.commit_marks import StageMark
from shared.kafka.records import In
from shared.kafka.replay import LogReader, read_range
from shared.membership.inheritance import Inherited
from shared.process.settings import Settings

Progress = Callable[[], None]
"""Called whenever reading has come further."""

MARGIN_MS: Final = 10_000
"""Clocks of two brokers may differ by this much."""


@dataclass(frozen=True, slots=True)
class ReplayRange:
    """A partition with records behind its committed offset: they end at `end`, and what a predecessor made of them
    was appended at `since_ms` (Kafka's time) or later."""

    end: int
    since_ms: int


def begun_ms(mark: StageMark | None, first_ms: int) -> int:
    """Since when what follows from records behind a commit, the first of `first_ms`, can have been appended."""
    return max(mark.appended_at_ms, first_ms) if mark else first_ms


async def replay_ranges(
    settings: Settings, inherited: Inherited, progress: Progress
) -> dict[TopicPartition, ReplayRange]:
    """By partition, the records behind what was committed when it was taken over, if there are any."""
    found: dict[TopicPartition, ReplayRange] = {}
    for tp, offset in inherited.offsets.items():
        end = inherited.ends[tp]
        if offset < end:
            first_ms = await _first_timestamp(settings, tp, offset, end)
            progress()
            if first_ms is not None:
                found[tp] = ReplayRange(end, begun_ms(inherited.marks.get(tp), first_ms) - MARGIN_MS)
    return found


async def _first_timestamp(settings: Settings, tp: TopicPartition, start: int, end: int) -> int | None:
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
    """Give everything that was appended to `topics` at `since_ms` (Kafka's time) or later to `take`.

    Transactions that are open are waited for: what lies behind their first record cannot be seen before.
    """
    async with LogReader(settings, progress) as reader:
        await reader.read(await reader.since(topics, since_ms), take)
