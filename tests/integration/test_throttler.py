"""Edge: the throttler on a real broker, between lanes that a test fills and binds that a test plays."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener

from schemas.connector_states import BindState, ConnectorState
from schemas.dispatch import Dispatch
from schemas.feedback import Answer, Feedback
from schemas.gateway.connectors.smpp import SmppConnector, SmppOptions
from schemas.gateway.file import AppliedConfig, Draining, Gateway
from schemas.gateway.values import SecretRef
from schemas.groups import THROTTLER_GROUP
from schemas.segments import SegmentedMessage
from schemas.topics import (
    CONNECTOR_STATES,
    MT_OUTCOMES,
    MT_REROUTES,
    MT_STATUSES,
    SUBMIT_RESULTS,
    dispatch_topic,
    feedback_topic,
    segments_topic,
)
from services.throttler.app import run
from services.throttler.assignor import owner_of
from services.throttler.connector_topics import connector_of
from services.throttler.lanes.arrivals import AHEAD_MAX, Arrivals
from services.throttler.loop import Throttler
from shared.kafka import seam
from shared.kafka.client import make_consumer, wait_for_the_reader
from shared.kafka.committed_offsets import committed_with_metadata
from shared.kafka.records import Out
from shared.process.clock import now_ms
from shared.process.service import Service
from tests.integration.flow_rig import Rig, Watch
from tests.unit.throttler.world import message

pytestmark = [pytest.mark.kafka]

ENDS = (SUBMIT_RESULTS, MT_OUTCOMES, MT_STATUSES, MT_REROUTES)
Decide = Callable[[Dispatch], dict[str, Any] | None]


def accept(_: Dispatch) -> dict[str, Any] | None:
    return {"outcome": "accepted"}


class Binds:
    """The binder's side of one connector: reads every dispatch, answers as told, one feedback record a batch."""

    def __init__(self, rig: Rig, connector_id: str, decide: Decide = accept) -> None:
        self._rig = rig
        self._connector_id = connector_id
        self._changed = asyncio.Condition()
        self.decide = decide
        self.seen: dict[int, list[Dispatch]] = defaultdict(list)
        self.silent: list[tuple[int, int, Dispatch]] = []

    async def lease(self, partition: int, state: BindState = "bound") -> None:
        lease = ConnectorState(
            connector_id=self._connector_id, partition=partition, state=state, owner="0|1", epoch=1, since_ms=now_ms()
        )
        key = f"{self._connector_id}|{partition}".encode()
        await self._rig.producer.send_all([Out(CONNECTOR_STATES, key, lease.to_json())])

    async def follow(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                await self._answer(tp.partition, records)
            async with self._changed:
                self._changed.notify_all()

    async def _answer(self, partition: int, records: Iterable[ConsumerRecord]) -> None:
        answers = []
        for record in records:
            dispatch = Dispatch.from_json(record.value)
            self.seen[partition].append(dispatch)
            decision = self.decide(dispatch)
            if decision is None:
                self.silent.append((partition, record.offset, dispatch))
            else:
                answers.append(_answer(record.offset, dispatch, decision))
        await self.say(partition, answers)

    async def say(self, partition: int, answers: list[Answer]) -> None:
        if answers:
            feedback = Feedback(
                kind="answers", connector_id=self._connector_id, partition=partition, epoch=1, answers=answers
            )
            out = Out(feedback_topic(self._connector_id), None, feedback.to_json(), (), partition)
            await self._rig.producer.send_all([out])

    async def speak(self, decision: dict[str, Any]) -> None:
        """Answer what was left silent."""
        silent, self.silent = self.silent, []
        for partition, offset, dispatch in silent:
            await self.say(partition, [_answer(offset, dispatch, decision)])

    @property
    def all_seen(self) -> list[Dispatch]:
        return [dispatch for dispatches in self.seen.values() for dispatch in dispatches]

    async def until(self, condition: Callable[[], bool], timeout_s: float = 30) -> None:
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(condition)


def _answer(offset: int, dispatch: Dispatch, decision: dict[str, Any]) -> Answer:
    at_ms = now_ms()
    fields: dict[str, Any] = {"submitted_at_ms": at_ms, "answered_at_ms": at_ms}
    fields |= {"smsc_message_ids": (dispatch.id,)}
    return Answer(id=dispatch.id, offset=offset, **(fields | decision))


@asynccontextmanager
async def binds(rig: Rig, connector_id: str, count: int, decide: Decide = accept) -> AsyncIterator[Binds]:
    played = Binds(rig, connector_id, decide)
    consumer: AIOKafkaConsumer = make_consumer(rig.settings, auto_offset_reset="earliest", fetch_max_wait_ms=50)
    await consumer.start()
    consumer.assign([TopicPartition(dispatch_topic(connector_id), p) for p in range(count)])
    task = asyncio.create_task(played.follow(consumer))
    try:
        for partition in range(count):
            await played.lease(partition)
        yield played
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await consumer.stop()


def connector(connector_id: str, **changes: Any) -> SmppConnector:
    fields: dict[str, Any] = {"tps": 500, "window": 50, "max_binds": 2, "options": SmppOptions(retry_delay_s=0.3)}
    return SmppConnector(
        id=connector_id,
        host="127.0.0.1",
        port=2775,
        system_id="shop",
        password=SecretRef(env="NONE"),
        **(fields | changes),
    )


def config(*connectors: SmppConnector, draining: bool = False) -> AppliedConfig:
    at_ms = now_ms()
    gone = tuple(Draining(connector=c, removed_at_ms=at_ms) for c in connectors) if draining else ()
    gateway = Gateway(version=1, connectors=() if draining else connectors)
    return AppliedConfig(hash=f"{at_ms}-{draining}", applied_at_ms=at_ms, gateway=gateway, draining=gone)


class Lanes:
    """Messages of one connector, written as the encoder does."""

    def __init__(self, rig: Rig, connector_id: str) -> None:
        self._rig = rig
        self._connector_id = connector_id
        self._number = 0
        self.written: dict[str, int] = {}

    def make(self, **changes: Any) -> SegmentedMessage:
        self._number += 1
        made = message(self._number, at_ms=now_ms(), **changes)
        return made.model_copy(update={"connector_id": self._connector_id})

    async def publish(self, *messages: SegmentedMessage) -> None:
        outs = []
        for made in messages:
            self.written[made.context.message_id] = len(made.segments)
            outs.append(Out(segments_topic(self._connector_id, made.context.lane), b"shop", made.to_json()))
        await self._rig.producer.send_all(outs)


def ends(watch: Watch, lanes: Lanes) -> Counter[tuple[str, int]]:
    found: Counter[tuple[str, int]] = Counter()
    for topic in (SUBMIT_RESULTS, MT_OUTCOMES):
        for value in watch.values(topic):
            if (message_id := value["context"][0]) in lanes.written:
                found[message_id, value["index"]] += 1
    return found


@pytest.fixture
def connector_id() -> str:
    return f"t{now_ms()}"


@pytest.fixture
async def rig(kafka_bootstrap: str) -> AsyncIterator[Rig]:
    async with Rig(kafka_bootstrap) as rig:
        yield rig


async def test_messages_of_all_lanes_are_dispatched_once_and_their_answers_followed(
    rig: Rig, connector_id: str
) -> None:
    await rig.apply(config(connector(connector_id)))
    lanes = Lanes(rig, connector_id)
    all_lanes: Any = ("otp", "txn", "bulk")
    await lanes.publish(*(lanes.make(lane=all_lanes[n % 3], segments=1 + n % 3) for n in range(90)))
    async with Watch(rig.settings, *ENDS) as watch, binds(rig, connector_id, 2) as played:
        async with rig.running("throttler", run):
            await watch.until(lambda: len(ends(watch, lanes)) == 180)
        assert set(ends(watch, lanes).values()) == {1}
        assert len(played.all_seen) == 180
        assert all(played.seen[p] for p in (0, 1))
        assert {d.spacing_us for d in played.all_seen} == {4_000}
        committed = await committed_with_metadata(rig.settings, THROTTLER_GROUP)
        for lane in all_lanes:
            assert committed[TopicPartition(segments_topic(connector_id, lane), 0)][0] == 30


async def test_temporary_errors_come_back_and_permanent_ones_end(rig: Rig, connector_id: str) -> None:
    def decide(dispatch: Dispatch) -> dict[str, Any] | None:
        outcome, status = {1: ("throttled", 0x58), 2: ("temporary", 0x14), 3: ("permanent", 0x0B)}[dispatch.attempt]
        return {"outcome": outcome, "smsc_error": f"0x{status:08x}", "error_code": status}

    await rig.apply(config(connector(connector_id)))
    lanes = Lanes(rig, connector_id)
    await lanes.publish(lanes.make(), lanes.make(segments=2))
    async with Watch(rig.settings, *ENDS) as watch, binds(rig, connector_id, 1, decide) as played:
        async with rig.running("throttler", run) as service:
            await watch.until(lambda: len(ends(watch, lanes)) == 3)
            async with asyncio.timeout(20):
                while service.state(0).lag:  # also behind the retry lane's last record, where a marker lies
                    await asyncio.sleep(0.05)
        outcomes = [v for v in watch.values(MT_OUTCOMES) if v["context"][0] in lanes.written]
        assert {(v["reason"], v["smsc_error"]) for v in outcomes} == {("smsc_refused", "0x0000000b")}
        assert max(d.attempt for d in played.all_seen) == 3


async def test_a_successor_takes_up_where_the_loop_was_cut_off(rig: Rig, connector_id: str) -> None:
    """Three times cut off under load, with answers coming while nobody listens: one end per segment, none lost."""
    await rig.apply(config(connector(connector_id)))
    lanes = Lanes(rig, connector_id)
    total = 240
    await lanes.publish(*(lanes.make(lane="bulk", segments=1 + n % 3) for n in range(total // 2)))
    async with Watch(rig.settings, *ENDS) as watch, binds(rig, connector_id, 2) as played:
        for goal in (30, 90, 150):
            async with rig.running("throttler", run, crash=True):
                await played.until(lambda wanted=goal: len(played.all_seen) >= wanted)  # type: ignore[misc]  # a default
        async with rig.running("throttler", run):
            await watch.until(lambda: len(ends(watch, lanes)) == total)
        found = ends(watch, lanes)
        assert set(found.values()) == {1}
        assert max(Counter(d.id for d in played.all_seen).values()) == 1
        assert len(played.all_seen) == total


async def test_what_was_in_flight_at_the_crash_is_not_sent_again(rig: Rig, connector_id: str) -> None:
    await rig.apply(config(connector(connector_id)))
    lanes = Lanes(rig, connector_id)
    await lanes.publish(*(lanes.make() for _ in range(10)))
    async with Watch(rig.settings, *ENDS) as watch, binds(rig, connector_id, 2, lambda _: None) as played:
        async with rig.running("throttler", run, crash=True):
            await played.until(lambda: len(played.all_seen) == 10)
        await played.speak({"outcome": "accepted"})
        async with rig.running("throttler", run):
            await watch.until(lambda: len(ends(watch, lanes)) == 10)
        assert len(played.all_seen) == 10


async def test_a_connector_that_comes_later_is_taken_up_and_a_removed_one_given_back(
    rig: Rig, connector_id: str
) -> None:
    other = f"{connector_id}-b"
    await rig.apply(config(connector(connector_id)))
    async with Watch(rig.settings, *ENDS) as watch, rig.running("throttler", run):
        await rig.apply(config(connector(connector_id), connector(other)))
        lanes = Lanes(rig, other)
        await lanes.publish(lanes.make())
        async with binds(rig, other, 1):
            await watch.until(lambda: len(ends(watch, lanes)) == 1)
        left = Lanes(rig, connector_id)
        await left.publish(left.make(), left.make(pinned=True))
        await rig.apply(config(connector(connector_id), draining=True))
        await watch.until(
            lambda: (
                any(v["context"][0] in left.written for v in watch.values(MT_REROUTES))
                and any(v["message_id"] in left.written for v in watch.values(MT_STATUSES))
            )
        )


async def test_from_one_to_two_and_back(rig: Rig, kafka_bootstrap: str, connector_id: str) -> None:
    """Connectors move as a whole, with what is in flight; nothing is lost or sent twice."""
    names = [f"{connector_id}-{n}" for n in range(100)]
    ids = [name for of in "01" for name in [n for n in names if owner_of(n, "01") == of][:2]]
    await rig.apply(config(*(connector(each) for each in ids)))
    lanes = {each: Lanes(rig, each) for each in ids}
    second = Rig(kafka_bootstrap)
    second.settings = rig.settings.model_copy(update={"instance": "1", "leave_groups": True})

    async def publish() -> None:
        for each in lanes.values():
            await each.publish(*(each.make(lane="bulk", segments=2) for _ in range(40)))

    async with AsyncExitStack() as stack:
        watch = await stack.enter_async_context(Watch(rig.settings, *ENDS))
        played = [await stack.enter_async_context(binds(rig, each, 2)) for each in ids]
        async with rig.running("throttler", run) as first:
            await publish()
            async with second.running("throttler", run) as other:
                held = [{connector_of(p.rpartition(":")[0]) for p in s.state(0).assignment} for s in (first, other)]
                await watch.until(lambda: all(len(ends(watch, each)) == 80 for each in lanes.values()))
                await publish()
                assert [held[0] & set(ids), held[1] & set(ids)] == [set(ids[:2]), set(ids[2:])]
            await watch.until(lambda: all(len(ends(watch, each)) == 160 for each in lanes.values()))
        assert all(set(ends(watch, each).values()) == {1} for each in lanes.values())
        for bind in played:
            assert len({d.id for d in bind.all_seen}) == len(bind.all_seen) == 160


class LateArrivals(Arrivals):
    """Of a process that gets to what was fetched later than aiokafka would wait by itself."""

    async def read(self) -> None:
        await asyncio.sleep(0.15)
        await super().read()


@asynccontextmanager
async def following(
    rig: Rig, *places: TopicPartition, kind: type[Arrivals] = Arrivals, **options: Any
) -> AsyncIterator[tuple[Arrivals, AIOKafkaConsumer, asyncio.Event]]:
    """Arrivals that follow these partitions from their beginning, their consumer, and what wakes their reader."""
    consumer: AIOKafkaConsumer = make_consumer(rig.settings, auto_offset_reset="earliest", **options)
    await consumer.start()
    consumer.assign(list(places))
    wait_for_the_reader(consumer)
    woken = asyncio.Event()
    arrivals = kind(consumer, woken.set)
    arrivals.open(places)
    task = asyncio.create_task(arrivals.follow())
    try:
        yield arrivals, consumer, woken
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await consumer.stop()


LONG_POLLS: dict[str, Any] = {"fetch_max_wait_ms": 30_000, "request_timeout_ms": 60_000}


async def test_reading_ahead_takes_over_what_was_fetched_and_pauses_a_full_lane(rig: Rig, connector_id: str) -> None:
    """It stands on private names of aiokafka: this fails when a new version has others."""
    await rig.apply(config(connector(connector_id)))
    lane = TopicPartition(segments_topic(connector_id, "bulk"), 0)
    other = TopicPartition(segments_topic(connector_id, "otp"), 0)
    lanes = Lanes(rig, connector_id)
    async with following(rig, lane, other) as (arrivals, consumer, woken):
        for count in (AHEAD_MAX, 200):
            await lanes.publish(*(lanes.make(lane="bulk") for _ in range(count)))
        async with asyncio.timeout(20):
            while arrivals.ahead(lane) < AHEAD_MAX:
                woken.clear()
                await woken.wait()
            assert consumer.paused() == {lane}
            await lanes.publish(lanes.make(lane="otp"))
            while other not in arrivals.waiting():  # a full lane does not hold up the others
                woken.clear()
                await woken.wait()
            taken = 0
            while taken < AHEAD_MAX + 200:
                taken += len(arrivals.take(lane, 300))
                await arrivals.read()
                await asyncio.sleep(0)
        assert consumer.paused() == set()
        assert len(arrivals.take(other, 10)) == 1
        arrivals.close()
        assert arrivals.waiting() == []


async def test_feedback_is_not_left_out_of_a_long_poll(rig: Rig, connector_id: str) -> None:
    """The lanes are full or empty: each answer must be fetched at once, not when the last long poll ends."""
    await rig.apply(config(connector(connector_id)))
    lane, empty = (TopicPartition(segments_topic(connector_id, name), 0) for name in ("bulk", "txn"))
    feedback = TopicPartition(feedback_topic(connector_id), 0)
    lanes = Lanes(rig, connector_id)
    async with following(rig, lane, empty, feedback, **LONG_POLLS) as (arrivals, _, woken):
        await lanes.publish(*(lanes.make(lane="bulk") for _ in range(AHEAD_MAX + 500)))
        async with asyncio.timeout(25):
            for _ in range(10):
                woken.clear()
                await rig.producer.send_all([Out(feedback.topic, None, b"{}", partition=0)])
                while feedback not in arrivals.waiting():
                    await woken.wait()
                    woken.clear()
                arrivals.take(feedback, 10)


async def test_what_is_taken_over_late_is_not_left_out_of_a_long_poll(rig: Rig, connector_id: str) -> None:
    """A busy process lost a second so: every partition with traffic was left out, and nothing came in the others."""
    await rig.apply(config(connector(connector_id)))
    lane, quiet = (TopicPartition(segments_topic(connector_id, name), 0) for name in ("bulk", "txn"))
    lanes = Lanes(rig, connector_id)
    async with following(rig, lane, quiet, kind=LateArrivals, **LONG_POLLS) as (arrivals, _, woken):
        async with asyncio.timeout(25):
            for _ in range(5):
                await lanes.publish(lanes.make(lane="bulk"))
                while not arrivals.take(lane, 1):
                    woken.clear()
                    await woken.wait()


async def test_a_cycle_ends_although_a_rebalance_began_in_it(rig: Rig, connector_id: str) -> None:
    """The revoke callback waits for the cycle in progress, so nothing in a cycle may wait for the rebalance."""
    await rig.apply(config(connector(connector_id)))
    lane = TopicPartition(segments_topic(connector_id, "bulk"), 0)
    group = f"{THROTTLER_GROUP}-{connector_id}"
    consumer: AIOKafkaConsumer = make_consumer(
        rig.settings, group_id=group, auto_offset_reset="earliest", heartbeat_interval_ms=100
    )
    await consumer.start()
    wait_for_the_reader(consumer)
    throttler = Throttler(Service("throttler", rig.settings))
    await throttler._consumer.stop()
    throttler._consumer = consumer
    throttler._arrivals = arrivals = Arrivals(consumer, lambda: None)
    assigned, revoking = asyncio.Event(), asyncio.Event()

    class Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped here
        async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
            if revoked:
                revoking.set()
                await throttler.revoked()

        async def on_partitions_assigned(self, _: set[TopicPartition]) -> None:
            assigned.set()

    try:
        consumer.subscribe([lane.topic], listener=Listener())
        await assigned.wait()
        arrivals.open([lane])
        fetched = seam.next_fetched(consumer)
        lanes = Lanes(rig, connector_id)
        await lanes.publish(lanes.make(lane="bulk"))
        await fetched
        async with asyncio.timeout(20):
            async with throttler._cycle:
                consumer._coordinator.request_rejoin()
                await revoking.wait()
                await arrivals.read()
                await throttler._look()
            assigned.clear()
            await assigned.wait()
    finally:
        await consumer.stop()
