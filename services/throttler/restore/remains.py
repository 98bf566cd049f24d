"""Edge: reads what a predecessor left behind in the logs of its connectors, and makes their dispatchers again."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from aiokafka import ConsumerRecord, TopicPartition

from schemas.commit_marks import ThrottlerMark
from schemas.topics import SEGMENT_LANES, dispatch_topic
from schemas.wire import LANES
from services.throttler.connector.dispatcher import ConnectorDispatcher
from services.throttler.connector_topics import connector_of, lane_of
from services.throttler.lanes.ledger import LEDGER_SIZE, Ledger
from services.throttler.restore.rebuild import rebuild
from shared.kafka.committed_offsets import Committed
from shared.kafka.replay import LogReader
from shared.messages.routes import route_of


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


class Remains:
    """What is to be read of some connectors, and what was found: all of it in one go, however many they are."""

    def __init__(self, owned: Iterable[Owned], committed: Committed) -> None:
        """Raises `ValueError` for metadata that no throttler wrote."""
        self._owned = list(owned)
        self._committed = committed
        places = [tp for one in self._owned for tp in one.feedback if tp in committed]
        self._marks = {tp: _read_mark(committed[tp][1]) for tp in places}
        self._dispatch_of = {tp: _dispatch_of(tp) for tp in places}
        self._ends: dict[TopicPartition, int] = {}
        self._records: dict[TopicPartition, list[ConsumerRecord]] = {}
        self._ledgers: dict[str, Ledger] = {one.connector_id: Ledger() for one in self._owned}

    async def read(self, reader: LogReader) -> None:
        """Returns when everything is here."""
        places = [*self._marks, *self._dispatch_of.values()]
        self._ends = await reader.ends(places) if places else {}
        self._records = {tp: [] for tp in places}
        ranges = {tp: (mark.feedback_from, self._ends[tp]) for tp, mark in self._marks.items()}
        for tp, mark in self._marks.items():
            dispatch = self._dispatch_of[tp]
            ranges[dispatch] = (mark.dispatch_from, self._ends[dispatch])
        for owned in self._owned:
            ranges |= ledger_ranges(owned, self._committed)
        await reader.read(ranges, self._take)

    def _take(self, record: ConsumerRecord) -> None:
        place = TopicPartition(record.topic, record.partition)
        if place in self._records:
            self._records[place].append(record)
        elif route := route_of(record.value or b""):
            self._ledgers[connector_of(record.topic) or ""].add(*route)

    def ledger(self, connector_id: str) -> Ledger:
        """The routes read last from the connector's lanes."""
        return self._ledgers[connector_id]

    def restore(self, dispatcher: ConnectorDispatcher) -> None:
        """Give `dispatcher` what is in flight on each of its binds."""
        for tp, mark in self._marks.items():
            if connector_of(tp.topic) == dispatcher.connector_id:
                dispatch = self._dispatch_of[tp]
                position = self._committed[tp][0]
                rebuilt = rebuild(mark, self._records[dispatch], self._ends[dispatch], self._records[tp], position)
                dispatcher.restore(tp.partition, rebuilt)


def _read_mark(text: str) -> ThrottlerMark:
    mark = ThrottlerMark.from_text(text)
    if mark is None:
        raise ValueError(f"not the metadata of a feedback commit: {text!r}")
    return mark


def _dispatch_of(feedback: TopicPartition) -> TopicPartition:
    return TopicPartition(dispatch_topic(connector_of(feedback.topic) or ""), feedback.partition)


def ledger_ranges(owned: Owned, committed: Committed) -> dict[TopicPartition, tuple[int, int]]:
    """The tails of a connector's lanes, before their committed offsets, together at most the size of a ledger."""
    places = sorted((tp for lane in LANES for tp in owned.lanes[lane] if tp in committed), key=lambda t: committed[t])
    ranges: dict[TopicPartition, tuple[int, int]] = {}
    left = LEDGER_SIZE
    for place, tp in enumerate(places):  # shortest first: what it does not need is left for the others
        end = committed[tp][0]
        start = max(0, end - left // (len(places) - place))
        ranges[tp] = (start, end)
        left -= end - start
    return ranges
