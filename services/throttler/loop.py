"""Edge: the throttler's loop: one consumer for all lanes and feedback, one Kafka transaction per cycle.

A cycle takes the feedback that came, reads each lane only as far as can be dispatched, and writes all that follows in
one transaction with the offsets. It sleeps in Kafka's long poll, not in ticks: woken by records, or by what the brains
have due. Cycles are `CYCLE_MS` apart when nobody waits for them, `BUSY_MS` when an OTP does or binds would run dry.

A rebalance throws the brains away and makes them again from the logs: what was read and not committed comes again.
"""

import asyncio
import logging
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from schemas.connector_states import ConnectorState
from schemas.topics import CONNECTOR_STATES, SEGMENT_LANES, dispatch_topic, feedback_topic, segments_topic
from services.throttler.assignor import ConnectorAssignor
from services.throttler.connector_state import Brain
from services.throttler.places import TOPIC_PATTERN, connector_of
from services.throttler.policy import Policy
from services.throttler.restore import restore
from shared.clock import monotonic_s, now_ms
from shared.kafka import (
    BatchProducer,
    HeartbeatWatch,
    KafkaUnavailable,
    committed_with_metadata,
    group_options,
    leave_for_good,
    make_consumer,
    poll,
)
from shared.records import Out
from shared.service import Service
from shared.tables import TableReader
from shared.telemetry import BATCH_SECONDS, RECORDS_IN, RECORDS_OUT

log = logging.getLogger(__name__)

GROUP: Final = "throttler"
METADATA_MAX_AGE_MS: Final = 5_000
CYCLE_MS: Final = 50
BUSY_MS: Final = 10
IDLE_MS: Final = 1_000
UNBOUND_MS: Final = 100
"""How soon a waiting message notices that a bind has come up (leases come through a table, which wakes nobody)."""
FEEDBACK_MAX: Final = 1_000


class Throttler:
    """One process; `await run()` returns when the service is asked to stop."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._brains: dict[str, Brain] = {}
        self._leases: dict[tuple[str, int], ConnectorState] = {}
        self._held: frozenset[TopicPartition] = frozenset()
        self._feedback: list[TopicPartition] = []
        self._lanes: dict[str, list[TopicPartition]] = {}
        self._generation = 0
        self._rebalancing = True
        self._restore_needed = False
        self._config_hash = ""
        self._cycle = asyncio.Lock()
        self._ended_at_s = 0.0
        self._error: BaseException | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._watch: HeartbeatWatch | None = None
        self._producer = BatchProducer(
            service.settings, client_id=GROUP, transactional_id=f"{GROUP}-{service.instance}"
        )
        self._tables = TableReader(service.settings, {CONNECTOR_STATES: self._on_lease})
        service.expect(GROUP)

    # -- life -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until the service is asked to stop. Raises what makes going on impossible."""
        ConnectorAssignor.identity = self._service.instance.encode()
        consumer = make_consumer(
            self._service.settings,
            **group_options(self._service.settings, GROUP),
            partition_assignment_strategy=(ConnectorAssignor,),
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
        )
        await self._producer.start()  # before anything is read: it ends what a predecessor left open
        try:
            await self._tables.start()
            await self._start(consumer)
            while not self._service.stopping.is_set():
                await self._turn(consumer)
                if self._error is not None:
                    raise self._error
        finally:
            if self._service.settings.leave_groups:
                leave_for_good(consumer)
            await consumer.stop()
            await self._tables.stop()
            await self._producer.stop()

    async def _start(self, consumer: AIOKafkaConsumer) -> None:
        try:
            await consumer.start()
        except KafkaError as error:
            raise KafkaUnavailable(f"Kafka does not answer: {error}") from error
        self._consumer = consumer
        self._watch = HeartbeatWatch(consumer)
        self._service.lags[GROUP] = self._lag
        consumer.subscribe(pattern=TOPIC_PATTERN, listener=_Listener(self))

    async def _turn(self, consumer: AIOKafkaConsumer) -> None:
        """Wait for work, and do one cycle of it."""
        self._service.progress()
        if self._rebalancing:
            await asyncio.sleep(BUSY_MS / 1000)  # the group is being shared out; nothing is ours to wait for
            return
        if self._restore_needed or self._config_hash != self._service.gateway.hash:
            await self._adopt()
            return
        generation = self._generation
        woken = await self._wait(consumer)
        async with self._cycle:
            if generation == self._generation and not self._rebalancing:
                await self._work(consumer, woken, generation)

    # -- waiting ----------------------------------------------------------------------------------------------------

    async def _wait(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Feedback records that came, at the earliest when the next cycle may begin; empty when time has come."""
        pause_ms = self._pause_ms() - (monotonic_s() - self._ended_at_s) * 1000
        if pause_ms >= 1:
            await asyncio.sleep(pause_ms / 1000)
        wanted = [*self._feedback, *self._wanted_lanes()]
        if not wanted:
            await asyncio.sleep(UNBOUND_MS / 1000)
            return {}
        # one record only: it says that there are some, the rest is read in the cycle, as far as it is wanted
        return await poll(consumer, *wanted, timeout_ms=self._timeout_ms(), max_records=1)

    def _pause_ms(self) -> int:
        """How far this cycle is to be from the last one."""
        hurried = any(brain.otp_waits or brain.runs_dry for brain in self._brains.values())
        return BUSY_MS if hurried else CYCLE_MS

    def _wanted_lanes(self) -> list[TopicPartition]:
        return [
            tp
            for connector_id, brain in self._brains.items()
            for lane in SEGMENT_LANES
            if brain.wants(lane) > 0
            for tp in self._lanes[segments_topic(connector_id, lane)]
        ]

    def _timeout_ms(self) -> int:
        at_ms = now_ms()
        times = [due for brain in self._brains.values() if (due := brain.wake_at_ms(at_ms)) is not None]
        limit = UNBOUND_MS if any(brain.waits for brain in self._brains.values()) else IDLE_MS
        return max(0, min(limit, *(due - at_ms for due in times))) if times else limit

    # -- one cycle --------------------------------------------------------------------------------------------------

    async def _work(
        self, consumer: AIOKafkaConsumer, woken: dict[TopicPartition, list[ConsumerRecord]], generation: int
    ) -> None:
        started_s = monotonic_s()
        at_ms = now_ms()
        self._take(woken, at_ms)
        if self._feedback:
            self._take(await poll(consumer, *self._feedback, timeout_ms=0, max_records=FEEDBACK_MAX), at_ms)
        for connector_id, brain in self._brains.items():
            brain.begin_cycle(at_ms)
            for lane in SEGMENT_LANES:
                await self._read_lane(consumer, brain, connector_id, lane, at_ms)
        outs: list[Out] = []
        for brain in self._brains.values():
            outs += brain.work(at_ms)
        if generation != self._generation:
            return  # given away while the lanes were read: nothing of it was written
        await self._commit(outs)
        self._ended_at_s = monotonic_s()
        BATCH_SECONDS.labels(GROUP).observe(self._ended_at_s - started_s)

    def _take(self, found: dict[TopicPartition, list[ConsumerRecord]], at_ms: int) -> None:
        """Hand records to their brains: feedback, or the first record of a lane."""
        for tp, records in found.items():
            RECORDS_IN.labels(tp.topic).inc(len(records))
            brain = self._brains.get(connector_of(tp.topic) or "")
            if brain is None:
                continue
            if tp in self._feedback:
                for record in records:
                    brain.take_feedback(record, at_ms)
            else:
                brain.read_lane(tp.topic.rsplit(".", 1)[1], records, at_ms)

    async def _read_lane(
        self, consumer: AIOKafkaConsumer, brain: Brain, connector_id: str, lane: str, at_ms: int
    ) -> None:
        for tp in self._lanes[segments_topic(connector_id, lane)]:
            if (wanted := brain.wants(lane)) <= 0:
                return
            found = await poll(consumer, tp, timeout_ms=0, max_records=wanted)
            self._take(found, at_ms)

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
        await self._producer.add_offsets(offsets, GROUP)
        if self._watch is not None:
            self._watch.check()
        await self._producer.commit()
        for out in outs:
            RECORDS_OUT.labels(out.topic).inc()

    def _offsets(self) -> dict[TopicPartition, tuple[int, str]]:
        """What has moved since the last cycle. Only once the dispatches of this cycle have their places."""
        return {
            TopicPartition(*place): mark for brain in self._brains.values() for place, mark in brain.commits().items()
        }

    def _lag(self) -> int:
        """Records in the lanes and the feedback that the brains have not read."""
        if self._consumer is None:
            return 0
        total = 0
        for tp in self._held:
            brain = self._brains.get(connector_of(tp.topic) or "")
            end = self._consumer.highwater(tp)
            if end is not None and brain is not None:
                total += max(0, end - brain.position(tp.topic, tp.partition, end))
        return total

    # -- configuration, leases, rebalance ---------------------------------------------------------------------------

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

    async def _adopt(self) -> None:
        """Make the brains fit what is held and configured; those that stay keep what they have."""
        generation = self._generation
        gateway = self._service.gateway
        config_hash = gateway.hash
        held = self._held
        committed = await committed_with_metadata(self._service.settings, GROUP)
        for connector_id in sorted({c for tp in held if (c := connector_of(tp.topic)) is not None}):
            connector = gateway.connector(connector_id)
            if connector is None or not self._holds_all(connector_id, held):
                continue
            policy = Policy.of(connector, draining=gateway.draining(connector_id) is not None)
            if connector_id in self._brains:
                self._brains[connector_id].configure(policy, now_ms())
                continue
            mine = frozenset(tp for tp in held if connector_of(tp.topic) == connector_id)
            brain = await restore(
                self._service.settings,
                policy,
                mine,
                committed,
                list(self._leases.values()),
                self._service.events,
                self._service.owner,
            )
            if generation != self._generation:
                return
            self._brains[connector_id] = brain
        self._producer.forget_counts()
        self._feedback = [tp for tp in held if tp.topic in {feedback_topic(c) for c in self._brains}]
        self._lanes = {topic: sorted(tp for tp in held if tp.topic == topic) for topic in {tp.topic for tp in held}}
        self._config_hash = config_hash
        self._restore_needed = False
        self._service.set_assignment(GROUP, sorted(f"{tp.topic}:{tp.partition}" for tp in held))

    def _holds_all(self, connector_id: str, held: frozenset[TopicPartition]) -> bool:
        topics = {tp.topic for tp in held}
        wanted = {segments_topic(connector_id, lane) for lane in SEGMENT_LANES} | {feedback_topic(connector_id)}
        return wanted <= topics

    async def on_revoked(self) -> None:
        """Finish the cycle in progress; nothing is decided after it."""
        self._rebalancing = True
        async with self._cycle:
            self._generation += 1
            self._brains.clear()
            self._feedback = []

    def on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        if self._watch is not None:
            self._watch.joined()
        self._held = partitions
        self._restore_needed = True
        self._rebalancing = False

    def fail(self, error: BaseException) -> None:
        """End the loop with this error."""
        self._error = error


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped here
    """Hands aiokafka's rebalance callbacks to the loop; what they raise would only be logged."""

    def __init__(self, throttler: Throttler) -> None:
        self._throttler = throttler

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        try:
            await self._throttler.on_revoked()
        except Exception as error:
            self._throttler.fail(error)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._throttler.on_assigned(frozenset(assigned))
