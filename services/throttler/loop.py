"""Edge: the throttler's loop: one consumer for all lanes and feedback, one Kafka transaction per cycle.

A cycle takes the feedback that came, reads each lane only as far as can be dispatched, and writes all that follows in
one transaction with the offsets. Between cycles it waits for records to be fetched, or for what the brains have due;
nothing ticks. Cycles are `CYCLE_MS` apart when nobody waits for them, `BUSY_MS` when an OTP does, and what came lately
is fetched together, `FETCH_CADENCE_MS` after the last fetch.

A rebalance throws the brains away and makes them again from the logs (`takeover`).
"""

import asyncio
import logging
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from schemas.connector_states import ConnectorState
from schemas.groups import THROTTLER_GROUP, transactional_id
from schemas.topics import CONNECTOR_STATES, dispatch_topic
from services.throttler.assignor import assignor_of
from services.throttler.connector.scheduler import Brain
from services.throttler.connector_topics import TOPIC_PATTERN, connector_of, lane_of
from services.throttler.lanes.arrivals import Arrivals
from services.throttler.restore.takeover import Takeover
from shared.kafka.client import group_options, make_consumer, poll
from shared.kafka.errors import FatalKafkaError, KafkaUnavailable
from shared.kafka.fetch_pace import FetchPace
from shared.kafka.produce import BATCH_BYTES, BatchProducer
from shared.kafka.records import Out
from shared.kafka.seam import become_dynamic, position_of, rebalancing, rejoin_if_blind
from shared.kafka.tables import TableReader
from shared.membership.heartbeat import HeartbeatWatch
from shared.process.clock import monotonic_s, now_ms
from shared.process.service import Service
from shared.process.telemetry import BATCH_SECONDS, count_records_out

log = logging.getLogger(__name__)

METADATA_MAX_AGE_MS: Final = 5_000
CYCLE_MS: Final = 50
FETCH_CADENCE_MS: Final = 10
"""Lanes and feedback come from many places: one by one they were a hundred fetches a second for thirty cycles."""
BUSY_MS: Final = 8
"""Kafka still writes the marks of the last transaction: the next one, if it begins before, is made to wait 20 ms."""
DRY_MS: Final = 15
"""At least, while windows and not the rate are what holds work back: binds must not run dry."""
IDLE_MS: Final = 1_000
"""How long it sleeps at most, to show that it lives."""
LOOK_S: Final = 5.0
FEEDBACK_MAX: Final = 1_000
FETCH_BYTES: Final = BATCH_BYTES + (64 << 10)
"""Of each partition: any batch of ours, or some thousands of messages, compressed. They are unpacked in one go, in
which no OTP can pass."""


class Throttler:
    """One process; `await run()` returns when the service is asked to stop."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._brains: dict[str, Brain] = {}
        self._due_ms: dict[str, int | None] = {}
        """When each brain has something to do although nothing came."""
        self._leases: dict[tuple[str, int], ConnectorState] = {}
        self._held: frozenset[TopicPartition] = frozenset()
        self._generation = 0
        self._joined = False
        self._rebalancing = True
        self._taken_over = False
        self._config_hash = ""
        self._cycle = asyncio.Lock()
        self._ended_at_s = 0.0
        self._error: BaseException | None = None
        self._woken = asyncio.Event()
        self._watch: HeartbeatWatch | None = None
        self._producer = BatchProducer(
            service.settings,
            client_id=THROTTLER_GROUP,
            transactional_id=transactional_id(THROTTLER_GROUP, service.instance),
        )
        self._tables = TableReader(service.settings, {CONNECTOR_STATES: self._on_lease}, service.fail)
        service.expect(THROTTLER_GROUP)

    # -- life -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until the service is asked to stop. Raises what makes going on impossible."""
        consumer = make_consumer(
            self._service.settings,
            **group_options(self._service.settings, THROTTLER_GROUP),
            partition_assignment_strategy=(assignor_of(self._service.instance),),
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        followers = [asyncio.ensure_future(follow) for follow in (self._follow_config(), self._follow_stop())]
        try:
            await self._producer.start()  # before anything is read: it ends what a predecessor left open
            await self._tables.start()
            arrivals = await self._start(consumer)
            followers.append(asyncio.ensure_future(self._follow_arrivals(arrivals)))
            while not self._service.stopping.is_set():
                await self._turn(consumer, arrivals)
                if self._error is not None:
                    raise self._error
        finally:
            for follower in followers:
                follower.cancel()
            await asyncio.gather(*followers, return_exceptions=True)
            if self._service.settings.leave_groups:
                become_dynamic(consumer)
            await consumer.stop()
            await self._tables.stop()
            await self._producer.stop()

    async def _start(self, consumer: AIOKafkaConsumer) -> Arrivals:
        try:
            await consumer.start()
            topics = await consumer.topics()
        except KafkaError as error:
            raise KafkaUnavailable(f"Kafka does not answer: {error}") from error
        self._watch = HeartbeatWatch(consumer)
        if not any(connector_of(topic) for topic in topics):
            self._service.set_assignment(THROTTLER_GROUP, [])  # no connector yet: as ready as can be
        arrivals = Arrivals(consumer, self._wake)
        FetchPace(consumer, FETCH_CADENCE_MS / 1000)
        self._service.lags[THROTTLER_GROUP] = lambda: self._lag(consumer, arrivals)
        consumer.subscribe(pattern=TOPIC_PATTERN, listener=_Listener(self, consumer, arrivals))
        return arrivals

    def _wake(self) -> None:
        self._woken.set()

    async def _follow_config(self) -> None:
        while True:
            await self._service.gateway.changed()
            self._wake()

    async def _follow_stop(self) -> None:
        await self._service.stopping.wait()
        self._wake()

    async def _follow_arrivals(self, arrivals: Arrivals) -> None:
        try:
            await arrivals.follow()
        except Exception as error:
            self.fail(error)

    async def _turn(self, consumer: AIOKafkaConsumer, arrivals: Arrivals) -> None:
        """Wait for work, or do one cycle of it."""
        self._service.progress()
        if self._rebalancing:
            await self._sleep(IDLE_MS)
            arrivals.check()
            return
        if not self._taken_over or self._config_hash != self._service.gateway.hash:
            await self._take_over(consumer, arrivals)
            return
        wait_ms = self._wait_ms(arrivals)
        if wait_ms > 0:
            await self._sleep(wait_ms)
        async with self._cycle:
            if wait_ms <= 0:
                await self._work(arrivals)
            elif monotonic_s() - self._ended_at_s > LOOK_S:
                await self._look(consumer)

    # -- waiting ----------------------------------------------------------------------------------------------------

    async def _sleep(self, wait_ms: int) -> None:
        """Until something has come, or somebody wakes us, or the time is over."""
        self._woken.clear()
        woken = asyncio.ensure_future(self._woken.wait())
        await asyncio.wait([woken], timeout=wait_ms / 1000)
        woken.cancel()

    def _wait_ms(self, arrivals: Arrivals) -> int:
        """How long until the next cycle; 0 = now."""
        at_ms = now_ms()
        came, otp = self._came(arrivals)
        due_ms = min((due for due in self._due_ms.values() if due is not None), default=at_ms + IDLE_MS)
        if not came and due_ms > at_ms:
            return min(due_ms - at_ms, IDLE_MS)
        since_ms = int((monotonic_s() - self._ended_at_s) * 1000)
        return max(0, self._pause_ms(otp=otp) - since_ms)

    def _came(self, arrivals: Arrivals) -> tuple[bool, bool]:
        """Whether something has come that a brain wants to see, and whether an OTP is among it."""
        came = otp = False
        for tp in arrivals.waiting():
            lane = lane_of(tp.topic)
            if lane is None or self._brains[connector_of(tp.topic) or ""].reads(lane):
                came = True
                otp = otp or lane == "otp"
        return came, otp

    def _pause_ms(self, *, otp: bool) -> int:
        """How far the next cycle is to be from the last one."""
        brains = self._brains.values()
        if otp or any(brain.otp_waits for brain in brains):
            return BUSY_MS
        dry_ms = min((dry for brain in brains if (dry := brain.dry_in_ms) is not None), default=CYCLE_MS)
        return min(max(DRY_MS, dry_ms), CYCLE_MS)

    # -- one cycle --------------------------------------------------------------------------------------------------

    async def _work(self, arrivals: Arrivals) -> None:
        """One cycle. Where the brains were given away meanwhile there are none, and nothing is done."""
        started_s = monotonic_s()
        at_ms = now_ms()
        came: dict[str, list[TopicPartition]] = {name: [] for name in self._due(at_ms)}
        for tp in arrivals.waiting():
            came.setdefault(connector_of(tp.topic) or "", []).append(tp)
        outs: list[Out] = []
        for connector_id, places in came.items():
            brain = self._brains[connector_id]
            self._feed(brain, arrivals, places, at_ms)
            outs += brain.work(at_ms)
            self._due_ms[connector_id] = brain.wake_at_ms(at_ms)
        await self._commit(outs)
        self._ended_at_s = monotonic_s()
        BATCH_SECONDS.labels(THROTTLER_GROUP).observe(self._ended_at_s - started_s)

    def _due(self, at_ms: int) -> list[str]:
        return [name for name, due_ms in self._due_ms.items() if due_ms is not None and due_ms <= at_ms]

    def _feed(self, brain: Brain, arrivals: Arrivals, places: list[TopicPartition], at_ms: int) -> None:
        for tp in places:
            if lane_of(tp.topic) is None:
                for record in arrivals.take(tp, FEEDBACK_MAX):
                    brain.take_feedback(record, at_ms)
        brain.begin_cycle(at_ms)
        for tp in places:
            lane = lane_of(tp.topic)
            if lane is not None:
                brain.read_lane(lane, arrivals.take(tp, brain.wants(lane)), at_ms)

    async def _look(self, consumer: AIOKafkaConsumer) -> None:
        """Poll, although nothing came: the membership hangs on it (max.poll.interval), and errors are told in it."""
        quiet = TopicPartition(THROTTLER_GROUP, 0)  # never fetched: nothing is read by this
        if not rebalancing(consumer):  # else it would wait for the revoke callback, which waits for this cycle
            await poll(consumer, quiet, timeout_ms=0, max_records=1)
        self._ended_at_s = monotonic_s()

    async def _commit(self, outs: list[Out]) -> None:
        """Everything of this cycle, or nothing: an error ends the process, and the restart rebuilds."""
        offsets = {} if outs else self._offsets()
        if not outs and not offsets:
            return
        await self._producer.begin()
        if outs:
            first = await self._producer.send_all(outs)
            for connector_id, brain in self._brains.items():
                topic = dispatch_topic(connector_id)
                brain.placed({partition: offset for (name, partition), offset in first.items() if name == topic})
            offsets = self._offsets()
        await self._producer.add_offsets(offsets, THROTTLER_GROUP)
        if self._watch is not None:
            self._watch.check()
        await self._producer.commit()
        count_records_out(out.topic for out in outs)

    def _offsets(self) -> dict[TopicPartition, tuple[int, str]]:
        """What has moved since the last cycle. Only once the dispatches of this cycle have their places."""
        return {
            TopicPartition(*place): mark for brain in self._brains.values() for place, mark in brain.commits().items()
        }

    def _lag(self, consumer: AIOKafkaConsumer, arrivals: Arrivals) -> int:
        """Records in the lanes and the feedback that the brains have not read."""
        total = 0
        for tp in self._held & consumer.assignment():
            end, position = consumer.highwater(tp), position_of(consumer, tp)
            if end is not None and position is not None and connector_of(tp.topic) in self._brains:
                total += max(0, end - position) + arrivals.ahead(tp)
        return total

    # -- configuration, leases, rebalance ---------------------------------------------------------------------------

    async def _take_over(self, consumer: AIOKafkaConsumer, arrivals: Arrivals) -> None:
        """Make the brains fit what is held and configured; those that stay keep what they have."""
        generation, held, config_hash = self._generation, self._held, self._service.gateway.hash
        if self._watch is not None:
            await self._watch.until_fresh()
        if generation != self._generation or self._rebalancing:
            return  # shared out again meanwhile
        takeover = Takeover(self._service, THROTTLER_GROUP, consumer)
        try:
            brains = await takeover.brains(held, self._brains)
        except (KafkaError, ValueError) as error:
            raise FatalKafkaError(f"what a predecessor left could not be read: {error!r}") from error
        if generation != self._generation or self._rebalancing:
            return  # shared out again meanwhile
        kept = {tp for tp in held if connector_of(tp.topic) in self._brains}
        takeover.seek()
        for lease in self._leases.values():  # also those that came while the logs were read
            if lease.connector_id in brains:
                brains[lease.connector_id].lease(lease.partition, lease.state)
        arrivals.open([tp for tp in held if connector_of(tp.topic) in brains], kept)
        self._brains = brains
        self._due_ms = dict.fromkeys(brains, 0)
        self._producer.forget_counts()
        self._config_hash = config_hash
        self._taken_over = True
        self._service.set_assignment(THROTTLER_GROUP, sorted(f"{tp.topic}:{tp.partition}" for tp in held))
        await arrivals.read()

    def _on_lease(self, record: ConsumerRecord) -> None:
        connector_id, _, partition = (record.key or b"").decode().rpartition("|")
        if record.value is None:
            self._leases.pop((connector_id, int(partition)), None)
            return
        state = ConnectorState.from_json(record.value)
        self._leases[state.connector_id, state.partition] = state
        brain = self._brains.get(state.connector_id)
        if brain is not None:
            brain.lease(state.partition, state.state)
            self._due_ms[state.connector_id] = 0
            self._wake()

    async def on_revoked(self, arrivals: Arrivals) -> None:
        """Finish the cycle in progress; nothing is decided after it."""
        self._rebalancing = True
        async with self._cycle:
            arrivals.close()
            self._generation += 1
            self._taken_over = False
            self._brains = {}
            self._due_ms = {}

    def on_assigned(self, consumer: AIOKafkaConsumer, partitions: frozenset[TopicPartition]) -> None:
        """Called before heartbeats begin, so it must be quick: the loop does the rest."""
        if not self._joined:
            self._joined = True
            if rejoin_if_blind(consumer):
                return  # shared out again at once
        self._held = partitions
        self._rebalancing = False
        self._wake()

    def fail(self, error: BaseException) -> None:
        """End the loop with this error."""
        self._error = error
        self._wake()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped here
    """Hands aiokafka's rebalance callbacks to the loop; what they raise would only be logged."""

    def __init__(self, throttler: Throttler, consumer: AIOKafkaConsumer, arrivals: Arrivals) -> None:
        self._throttler = throttler
        self._consumer = consumer
        self._arrivals = arrivals

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        try:
            await self._throttler.on_revoked(self._arrivals)
        except Exception as error:
            self._throttler.fail(error)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._throttler.on_assigned(self._consumer, frozenset(assigned))
