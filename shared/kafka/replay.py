"""Edge: what lies in the logs, read back: one partition by itself, or ranges of many over one connection."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.kafka.client import EARLIEST, consuming, make_consumer, partitions_of
from shared.kafka.seam import know_topics
from shared.process.settings import Settings


class LogReader:
    """Reads ranges of partitions up to ends that were fixed before, over one connection. An async context manager.

    Ends are those of everything written: the end of a transaction that a predecessor left open is waited for.
    `progress` is called whenever it has come further.
    """

    def __init__(self, settings: Settings, progress: Callable[[], None]) -> None:
        self._progress = progress
        self._committed: AIOKafkaConsumer = make_consumer(settings, auto_offset_reset=EARLIEST)
        self._written: AIOKafkaConsumer = make_consumer(settings, isolation_level="read_uncommitted")

    async def __aenter__(self) -> "LogReader":
        try:
            await self._committed.start()
            await self._written.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._committed.stop()
        await self._written.stop()

    async def begins(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        """The first record that is still there."""
        await self._know(partitions)
        found: dict[TopicPartition, int] = await self._written.beginning_offsets(partitions)
        return found

    async def ends(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Behind the last record written, committed or not."""
        await self._know(partitions)
        found: dict[TopicPartition, int] = await self._written.end_offsets(partitions)
        self._progress()
        return found

    async def _know(self, partitions: list[TopicPartition]) -> None:
        await know_topics(self._written, {tp.topic for tp in partitions})
        self._progress()

    async def since(self, topics: Iterable[str], at_ms: int) -> dict[TopicPartition, tuple[int, int]]:
        """What was written to `topics` at `at_ms` (wall clock) or later, as ranges to read."""
        partitions = await partitions_of(self._written, *topics)
        found = await self._written.offsets_for_times(dict.fromkeys(partitions, max(0, at_ms)))
        starts = {tp: at.offset for tp, at in found.items() if at is not None}
        ends = await self.ends(list(starts)) if starts else {}
        return {tp: (start, ends[tp]) for tp, start in starts.items()}

    async def read(
        self, ranges: Mapping[TopicPartition, tuple[int, int]], take: Callable[[ConsumerRecord], None]
    ) -> None:
        """Give every committed record of `ranges` (first offset, end) to `take`, in order within a partition."""
        if not ranges:
            return
        consumer = self._committed
        begins = await self.begins(list(ranges))
        unread = {tp: end for tp, (start, end) in ranges.items() if max(start, begins[tp]) < end}
        consumer.assign(list(unread))
        for tp in unread:
            consumer.seek(tp, max(ranges[tp][0], begins[tp]))
        positions: dict[TopicPartition, int] = {}
        while unread:
            for tp, records in (await consumer.getmany(timeout_ms=200, max_records=2_000)).items():
                for record in records:
                    if record.offset < ranges[tp][1]:
                        take(record)
            before, positions = positions, {tp: await consumer.position(tp) for tp in unread}
            if positions != before:
                self._progress()
            for tp in [tp for tp, end in unread.items() if positions[tp] >= end]:
                del unread[tp]
                consumer.pause(tp)


async def read_range(
    settings: Settings,
    topic: str,
    partition: int,
    start: int | None = None,
    end: int | None = None,
    *,
    progress: Callable[[], None] = lambda: None,
) -> AsyncGenerator[list[ConsumerRecord], None]:
    """The committed records of one partition from offset `start` (None: its beginning) to before `end` (None: its end
    now), in batches. Offsets that were compacted, or are transaction markers, are not there; it still comes to an end.

    `progress` is called whenever it has come further, and only then, so that a read that hangs is noticed. Use it under
    `aclosing`: a caller that stops early, or is cancelled between two batches, would leave the connection open.
    """
    tp = TopicPartition(topic, partition)
    async with consuming(settings, auto_offset_reset=EARLIEST, max_partition_fetch_bytes=1 << 20) as consumer:
        consumer.assign([tp])
        first = (await consumer.beginning_offsets([tp]))[tp]
        last = (await consumer.end_offsets([tp]))[tp] if end is None else end
        position = first if start is None else max(start, first)
        consumer.seek(tp, position)
        while position < last:
            batch = (await consumer.getmany(tp, timeout_ms=200, max_records=2000)).get(tp, [])
            before, position = position, await consumer.position(tp)
            if position > before:
                progress()
            if inside := [record for record in batch if record.offset < last]:
                yield inside
