"""Edge: reads what a predecessor left behind in the logs of its connectors, and makes their brains again."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from schemas.topics import SEGMENT_LANES, dispatch_topic
from schemas.wire import LANES
from services.throttler.connector_state import Brain
from services.throttler.ledger import LEDGER_SIZE, Ledger
from services.throttler.places import connector_of, lane_of, route_of
from services.throttler.rebuild import rebuild
from services.throttler.under_way import Mark
from shared.kafka import EARLIEST, make_consumer
from shared.settings import Settings

Committed = Mapping[TopicPartition, tuple[int, str]]


@dataclass(slots=True)
class Owned:
    """A connector of which every partition is assigned to us."""

    connector_id: str
    lanes: dict[str, list[TopicPartition]] = field(default_factory=dict)
    feedback: list[TopicPartition] = field(default_factory=list)

    @property
    def partitions(self) -> list[TopicPartition]:
        return [*self.feedback, *(tp for tps in self.lanes.values() for tp in tps)]


def owned_connectors(assigned: Iterable[TopicPartition], count_of: Callable[[str], int]) -> list[Owned]:
    """The connectors that are assigned whole. `count_of` tells how many partitions a topic has (0: none known).

    One that lacks a lane or a partition is left alone: its topics are just being made, or deleted.
    """
    found: dict[str, Owned] = {}
    for tp in sorted(assigned):
        connector_id = connector_of(tp.topic)
        if connector_id is not None:
            owned = found.setdefault(connector_id, Owned(connector_id))
            lane = lane_of(tp.topic)
            (owned.lanes.setdefault(lane, []) if lane else owned.feedback).append(tp)
    return [owned for owned in found.values() if _whole(owned, count_of)]


def _whole(owned: Owned, count_of: Callable[[str], int]) -> bool:
    topics = [*owned.lanes.values(), owned.feedback]
    return len(owned.lanes) == len(SEGMENT_LANES) and all(tps and len(tps) == count_of(tps[0].topic) for tps in topics)


class LogReader:
    """Reads ranges of partitions up to ends that were fixed before, over one connection. An async context manager.

    Ends are those of everything written: the end of a transaction that a predecessor left open is waited for.
    """

    def __init__(self, settings: Settings, progress: Callable[[], None]) -> None:
        self._progress = progress
        self._committed: AIOKafkaConsumer = make_consumer(settings, auto_offset_reset=EARLIEST)
        self._written: AIOKafkaConsumer = make_consumer(settings, isolation_level="read_uncommitted")

    async def __aenter__(self) -> "LogReader":
        await self._committed.start()
        await self._written.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._committed.stop()
        await self._written.stop()

    async def begins(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        """The first record that is still there."""
        found: dict[TopicPartition, int] = await self._written.beginning_offsets(partitions)
        return found

    async def ends(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Behind the last record written, committed or not."""
        found: dict[TopicPartition, int] = await self._written.end_offsets(partitions)
        return found

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
        while unread:
            for tp, records in (await consumer.getmany(timeout_ms=200, max_records=2_000)).items():
                for record in records:
                    if record.offset < ranges[tp][1]:
                        take(record)
            self._progress()
            for tp in [tp for tp, end in unread.items() if await consumer.position(tp) >= end]:
                del unread[tp]
                consumer.pause(tp)


async def restore_binds(reader: LogReader, brain: Brain, owned: Owned, committed: Committed) -> None:
    """Give `brain` what is in flight on each bind. Raises `ValueError` for metadata that no throttler wrote."""
    marks = {tp: Mark.from_text(committed[tp][1]) for tp in owned.feedback if tp in committed}
    dispatch = {tp: TopicPartition(dispatch_topic(owned.connector_id), tp.partition) for tp in marks}
    ends = await reader.ends([*marks, *dispatch.values()]) if marks else {}
    ranges = {tp: (mark.feedback_from, ends[tp]) for tp, mark in marks.items()}
    ranges |= {dispatch[tp]: (mark.dispatch_from, ends[dispatch[tp]]) for tp, mark in marks.items()}
    records: dict[TopicPartition, list[ConsumerRecord]] = {tp: [] for tp in ranges}
    await reader.read(ranges, lambda record: records[TopicPartition(record.topic, record.partition)].append(record))
    for tp, mark in marks.items():
        rebuilt = rebuild(mark, records[dispatch[tp]], ends[dispatch[tp]], records[tp], committed[tp][0])
        brain.restore(tp.partition, rebuilt)


async def restore_ledger(reader: LogReader, owned: Owned, committed: Committed) -> Ledger:
    """The routes read last from the lanes: the tails before their committed offsets."""
    places = sorted((tp for lane in LANES for tp in owned.lanes[lane] if tp in committed), key=lambda t: committed[t])
    ranges: dict[TopicPartition, tuple[int, int]] = {}
    left = LEDGER_SIZE
    for place, tp in enumerate(places):  # shortest first: what it does not need is left for the others
        end = committed[tp][0]
        start = max(0, end - left // (len(places) - place))
        ranges[tp] = (start, end)
        left -= end - start
    ledger = Ledger()

    def take(record: ConsumerRecord) -> None:
        route = route_of(record.value or b"")
        if route is not None:
            ledger.add(*route)

    await reader.read(ranges, take)
    return ledger
