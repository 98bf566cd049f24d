"""Edge: ranges of many partitions, read over one connection, to ends that count what open transactions have written."""

from collections.abc import Callable, Iterable, Mapping

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.kafka.client import EARLIEST, know_topics, make_consumer, partitions_of
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
