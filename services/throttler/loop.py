"""Edge: the throttler's loop: one consumer for all lanes and feedback, one Kafka transaction per cycle.

A cycle takes the feedback that came, reads each lane only as far as can be dispatched, and writes all that follows in
one transaction with the offsets. Between cycles it waits for records to be fetched, or for what the dispatchers have
due; nothing ticks. Cycles are `CYCLE_MS` apart when nobody waits for them, `BUSY_MS` when an OTP does, and what came
lately is fetched together, `FETCH_CADENCE_MS` after the last fetch.

A rebalance throws the dispatchers away and makes them again from the logs (`restore`). What a membership is stands in
`shared.membership.member`.
"""

import asyncio
import logging
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from schemas.connector_states import ConnectorState
from schemas.groups import THROTTLER_GROUP, transactional_id
from schemas.topics import CONNECTOR_STATES, dispatch_topic
from services.throttler.assignor import assignor_of
from services.throttler.connector.dispatcher import ConnectorDispatcher
from services.throttler.connector.moment import Moment
from services.throttler.connector_topics import TOPIC_PATTERN, connector_of, lane_of
from services.throttler.lanes.arrivals import Arrivals
from services.throttler.now import steady_ms, this_moment
from services.throttler.restore.takeover import Takeover
from shared.kafka.client import group_options, make_consumer, poll
from shared.kafka.errors import FatalKafkaError, FencedError, KafkaUnavailable
from shared.kafka.produce import BATCH_BYTES, BatchProducer
from shared.kafka.records import Out
from shared.kafka.seam import position_of, rebalancing
from shared.kafka.tables import TableReader
from shared.membership.beginnings import Beginnings
from shared.membership.handler import GivenUp
from shared.membership.member import Assignment, Member
from shared.process.clock import monotonic_s
from shared.process.metrics import BATCH_SECONDS, RECORDS_IN, count_records_out
from shared.process.service import Service
from shared.process.tracing import active

log = logging.getLogger(__name__)

METADATA_MAX_AGE_MS: Final = 5_000
CYCLE_MS: Final = 50
FETCH_CADENCE_MS: Final = 10
"""Lanes and feedback come from many places: fetched one by one they took a hundred fetches a second for thirty cycles.
"""
BUSY_MS: Final = 8
"""Kafka still writes the markers of the last transaction: one that begins before they are written waits 20 ms."""
DRY_MS: Final = 15
"""Least time between two cycles while windows, and not the rate, hold work back: binds must not run dry."""
IDLE_MS: Final = 1_000
"""How long it sleeps at most, to show that it lives."""
LOOK_S: Final = 5.0
PASS_MARKERS_EVERY_S: Final = 60.0
FEEDBACK_MAX: Final = 1_000
FETCH_BYTES: Final = BATCH_BYTES + (64 << 10)
"""Of each partition: any batch of ours, or some thousands of messages, compressed. They are unpacked in one go, in
which no OTP can pass."""


class Throttler:
    """One process; `await run()` returns when the service is asked to stop."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._dispatchers: dict[str, ConnectorDispatcher] = {}
        self._due_ms: dict[str, int | None] = {}
        """When each dispatcher has something to do although nothing came, by the own clock."""
        self._leases: dict[tuple[str, int], ConnectorState] = {}
        self._config_hash = ""
        self._cycle = asyncio.Lock()
        self._ended_at_s = 0.0
        self._passed_at_s = monotonic_s()
        self._woken = asyncio.Event()
        self._member = Member(service, THROTTLER_GROUP, self, fetch_pause_s=FETCH_CADENCE_MS / 1000)
        self._consumer = make_consumer(
            service.settings,
            **group_options(service.settings, THROTTLER_GROUP),
            partition_assignment_strategy=(assignor_of(service.instance),),
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        self._arrivals = Arrivals(self._consumer, self._wake)
        self._beginnings = Beginnings(service.settings, THROTTLER_GROUP)
        self._producer = BatchProducer(
            service.settings,
            client_id=THROTTLER_GROUP,
            transactional_id=transactional_id(THROTTLER_GROUP, service.instance),
            waits=service.waits(THROTTLER_GROUP),
        )
        self._tables = TableReader(service.settings, {CONNECTOR_STATES: self._on_lease}, service.fail)

    # -- life -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until the service is asked to stop. Raises what makes going on impossible."""
        followers = [asyncio.ensure_future(follow) for follow in (self._follow_config(), self._follow_stop())]
        self._member.ended.add_done_callback(lambda _: self._wake())
        try:
            await self._producer.start()  # before anything is read: it ends what a predecessor left open
            await self._tables.start()
            await self._join()
            followers.append(asyncio.ensure_future(self._follow_arrivals()))
            while not self._service.stopping.is_set():
                await self._turn()
                self._member.raise_failure()
        finally:
            for follower in followers:
                follower.cancel()
            await asyncio.gather(*followers, return_exceptions=True)
            await self._member.stop_restoring()
            self._member.leave()
            await self._consumer.stop()
            await self._tables.stop()
            await self._producer.stop()

    async def _join(self) -> None:
        try:
            await self._consumer.start()
            topics = await self._consumer.topics()
        except KafkaError as error:
            raise KafkaUnavailable(f"Kafka does not answer: {error}") from error
        self._member.attach(self._consumer)
        if not any(connector_of(topic) for topic in topics):
            self._service.set_assignment(THROTTLER_GROUP, [])  # no connector yet: as ready as can be
        self._consumer.subscribe(pattern=TOPIC_PATTERN, listener=self._member.listener)

    def _wake(self) -> None:
        self._woken.set()

    async def _follow_config(self) -> None:
        while True:
            await self._service.gateway.changed()
            self._wake()

    async def _follow_stop(self) -> None:
        await self._service.stopping.wait()
        self._wake()

    async def _follow_arrivals(self) -> None:
        try:
            await self._arrivals.follow()
        except Exception as error:
            self._member.fail(error)

    async def _turn(self) -> None:
        """Wait for work, or do one cycle of it."""
        self._member.advanced()
        if not self._member.restored.is_set():
            await self._sleep(IDLE_MS, self._member.restored)
            self._arrivals.check()
            return
        if self._config_hash != self._service.gateway.hash:
            await self._take_over(self._member.held)
            return
        wait_ms = self._wait_ms()
        if wait_ms > 0:
            await self._sleep(wait_ms)
        async with self._cycle:
            try:
                if wait_ms <= 0:
                    await self._work()
                elif monotonic_s() - self._ended_at_s > LOOK_S:
                    await self._look()
            except FencedError as error:
                await self._begin_again(error)

    async def _begin_again(self, error: FencedError) -> None:
        """Kafka ends a transaction that waits for a partition for ten seconds. Whether it was committed the logs tell:
        everything is read back from them, as after a rebalance. Raises `FatalKafkaError` where the group knows this
        process no more: then another one has begun a transaction of the same name.
        """
        log.warning("%s; what is in flight is read back from the logs", error)
        self._forget()
        await self._producer.start_again()
        await self._member.ask()
        await self._member.until_sure()
        self._config_hash = ""  # the next turn takes over what is held

    # -- waiting ----------------------------------------------------------------------------------------------------

    async def _sleep(self, wait_ms: int, *events: asyncio.Event) -> None:
        """Until something has come, or somebody wakes us, or one of `events` is set, or the time is over."""
        self._woken.clear()
        waits = [asyncio.ensure_future(event.wait()) for event in (self._woken, *events)]
        await asyncio.wait(waits, timeout=wait_ms / 1000, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    def _wait_ms(self) -> int:
        """How long until the next cycle; 0 = now."""
        at_ms = steady_ms()
        came, otp = self._came()
        due_ms = min((due for due in self._due_ms.values() if due is not None), default=at_ms + IDLE_MS)
        if not came and due_ms > at_ms:
            return min(due_ms - at_ms, IDLE_MS)
        since_ms = int((monotonic_s() - self._ended_at_s) * 1000)
        return max(0, self._pause_ms(otp=otp) - since_ms)

    def _came(self) -> tuple[bool, bool]:
        """Whether something has come that a dispatcher wants to see, and whether an OTP is among it."""
        came = otp = False
        for tp in self._arrivals.waiting():
            lane = lane_of(tp.topic)
            if lane is None or self._dispatchers[connector_of(tp.topic) or ""].reads(lane):
                came = True
                otp = otp or lane == "otp"
        return came, otp

    def _pause_ms(self, *, otp: bool) -> int:
        """How far the next cycle is to be from the last one."""
        dispatchers = self._dispatchers.values()
        if otp or any(dispatcher.otp_waits for dispatcher in dispatchers):
            return BUSY_MS
        dry_ms = min((dry for dispatcher in dispatchers if (dry := dispatcher.dry_in_ms) is not None), default=CYCLE_MS)
        return min(max(DRY_MS, dry_ms), CYCLE_MS)

    # -- one cycle --------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        """One cycle. Where the dispatchers were given away meanwhile there are none, and nothing is done."""
        started_s = monotonic_s()
        if (tracing := active()) is not None:
            tracing.begin()
        now = this_moment()
        self._pass_markers()
        came: dict[str, list[TopicPartition]] = {name: [] for name in self._due(now.steady_ms)}
        for tp in self._arrivals.waiting():
            came.setdefault(connector_of(tp.topic) or "", []).append(tp)
        outs: list[Out] = []
        for connector_id, places in came.items():
            dispatcher = self._dispatchers[connector_id]
            self._feed(dispatcher, places, now)
            outs += dispatcher.work(now)
            self._due_ms[connector_id] = dispatcher.wake_at_ms(now)
        await self._commit(outs)
        if tracing is not None:
            tracing.end(THROTTLER_GROUP, len(outs))
        self._ended_at_s = monotonic_s()
        BATCH_SECONDS.labels(THROTTLER_GROUP).observe(self._ended_at_s - started_s)

    def _due(self, at_ms: int) -> list[str]:
        return [name for name, due_ms in self._due_ms.items() if due_ms is not None and due_ms <= at_ms]

    def _feed(self, dispatcher: ConnectorDispatcher, places: list[TopicPartition], now: Moment) -> None:
        for tp in places:
            if lane_of(tp.topic) is None:
                for record in self._take(tp, FEEDBACK_MAX):
                    dispatcher.take_feedback(record, now)
        dispatcher.begin_cycle(now)
        for tp in places:
            lane = lane_of(tp.topic)
            if lane is not None:
                dispatcher.read_lane(lane, self._take(tp, dispatcher.wants(lane)), now)

    def _take(self, tp: TopicPartition, most: int) -> list[ConsumerRecord]:
        taken = self._arrivals.take(tp, most)
        if taken:
            RECORDS_IN.labels(tp.topic).inc(len(taken))
        return taken

    async def _look(self) -> None:
        """Poll, although nothing came: the membership hangs on it (max.poll.interval), and errors are told in it."""
        quiet = TopicPartition(THROTTLER_GROUP, 0)  # never fetched: nothing is read by this
        if not rebalancing(self._consumer):  # else it would wait for the revoke callback, which waits for this cycle
            await poll(self._consumer, quiet, timeout_ms=0, max_records=1)
            self._pass_markers()
            await self._commit([])
        self._ended_at_s = monotonic_s()

    def _pass_markers(self) -> None:
        """Now and then: what Kafka may delete must not lie behind what is committed (docs/guarantees.md)."""
        if monotonic_s() - self._passed_at_s < PASS_MARKERS_EVERY_S:
            return
        self._passed_at_s = monotonic_s()
        for tp, position in self._arrivals.read_through().items():
            dispatcher = self._dispatchers.get(connector_of(tp.topic) or "")
            if dispatcher is not None:
                dispatcher.pass_markers(lane_of(tp.topic), tp.partition, position)

    async def _commit(self, outs: list[Out]) -> None:
        """Everything of this cycle, or nothing: an error ends the process, and the restart rebuilds."""
        offsets = {} if outs else self._offsets()
        if not outs and not offsets:
            return
        await self._member.until_sure()
        await self._producer.begin()
        if outs:
            first = await self._producer.send_all(outs)
            for connector_id, dispatcher in self._dispatchers.items():
                topic = dispatch_topic(connector_id)
                dispatcher.placed({partition: offset for (name, partition), offset in first.items() if name == topic})
            offsets = self._offsets()
        await self._producer.add_offsets(offsets, THROTTLER_GROUP)
        await self._member.until_sure()
        await self._producer.commit()
        count_records_out(out.topic for out in outs)

    def _offsets(self) -> dict[TopicPartition, tuple[int, str]]:
        """What has moved since the last cycle. Only once the dispatches of this cycle have their places."""
        return {
            TopicPartition(*place): mark
            for dispatcher in self._dispatchers.values()
            for place, mark in dispatcher.commits().items()
        }

    # -- configuration and leases -----------------------------------------------------------------------------------

    async def _take_over(self, held: frozenset[TopicPartition]) -> None:
        """Make the dispatchers fit what is held and configured; those that stay keep what they have.

        Nothing comes of it where the partitions are shared out again meanwhile.
        """
        generation, config_hash = self._member.generation, self._service.gateway.hash
        takeover = Takeover(self._service, self._member, self._consumer, self._beginnings)
        try:
            dispatchers = await takeover.dispatchers(held, self._dispatchers)
        except GivenUp:
            return
        except (KafkaError, ValueError) as error:
            raise FatalKafkaError(f"what a predecessor left could not be read: {error!r}") from error
        if generation != self._member.generation:
            return
        kept = {tp for tp in held if connector_of(tp.topic) in self._dispatchers}
        takeover.seek()
        for lease in self._leases.values():  # also those that came while the logs were read
            if lease.connector_id in dispatchers:
                dispatchers[lease.connector_id].lease(lease.partition, lease.state)
        self._arrivals.open([tp for tp in held if connector_of(tp.topic) in dispatchers], kept)
        self._dispatchers = dispatchers
        self._due_ms = dict.fromkeys(dispatchers, 0)
        self._producer.forget_counts()
        self._config_hash = config_hash
        await self._arrivals.read()

    def _on_lease(self, record: ConsumerRecord) -> None:
        connector_id, _, partition = (record.key or b"").decode().rpartition("|")
        if record.value is None:
            self._leases.pop((connector_id, int(partition)), None)
            return
        state = ConnectorState.from_json(record.value)
        if (state.connector_id, state.partition) != (connector_id, int(partition)):
            raise ValueError(f"the record of {record.key!r} speaks of another bind")  # logged, and passed over
        self._leases[state.connector_id, state.partition] = state
        dispatcher = self._dispatchers.get(state.connector_id)
        if dispatcher is not None:
            dispatcher.lease(state.partition, state.state)
            self._due_ms[state.connector_id] = 0
            self._wake()

    # -- duties of a member -----------------------------------------------------------------------------------------

    async def revoked(self) -> None:
        """Finish the cycle in progress; the dispatchers are made anew from the logs."""
        async with self._cycle:
            self._forget()

    def _forget(self) -> None:
        self._arrivals.close()
        self._dispatchers = {}
        self._due_ms = {}

    async def assigned(self, assignment: Assignment) -> None:
        """Nothing to do before the restore."""

    async def restore(self, assignment: Assignment) -> None:
        """Read back what the connectors' predecessors left."""
        await self._take_over(assignment.partitions)

    def lag(self) -> int:
        """Records in the lanes and the feedback that the dispatchers have not read."""
        total = 0
        for tp in self._member.held & self._consumer.assignment():
            end, position = self._consumer.highwater(tp), position_of(self._consumer, tp)
            if end is not None and position is not None and connector_of(tp.topic) in self._dispatchers:
                total += max(0, end - position) + self._arrivals.ahead(tp)
        return total
