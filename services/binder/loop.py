"""Edge: the binder's consumer: which partitions are ours, what comes in them, and who else is there.

A rebalance is eager, so everything is revoked and then assigned anew. On revoke nothing new is claimed and all that can
be committed is, but links stay up. On assign a lease that was kept goes on; one that was lost drains by itself; a new
one waits until its bind is free. "Kept" means that no generation of the group lies between: nobody else can have
owned the partition.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Coroutine
from typing import Any, Final

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import IllegalStateError

from schemas.commit_marks import BinderMark
from schemas.gateway.connectors.kinds import Connector
from schemas.groups import BINDER_GROUP
from schemas.service_states import ServiceState
from schemas.topics import CONNECTOR_STATES, SERVICE_STATES, TRACE_REQUESTS
from services.binder.lease.backoff import AccountBackoff
from services.binder.lease.board import Place, StateBoard
from services.binder.lease.doubt_judgement import mark_of_unknown
from services.binder.lease.inheritance import Takeover
from services.binder.lease.lease import LeaseState, Watch
from services.binder.lease.worker import LeaseWorker, Surroundings
from services.binder.outbox import Outbox
from services.binder.receive.receiving import Receiving
from services.binder.smpp.link_plan import Account
from services.binder.submit.committing import Committer, NotOwner
from services.binder.submit.submitter import QUEUE_HIGH
from services.binder.trace.files import TraceFiles
from services.binder.trace.tracing import Tracing
from shared.kafka.client import group_options, make_consumer, poll, wait_for_the_reader
from shared.kafka.committed_offsets import committed_with_metadata
from shared.kafka.errors import FatalKafkaError
from shared.kafka.produce import BatchProducer
from shared.kafka.seam import become_dynamic, group_generation, rejoin_if_blind
from shared.kafka.tables import TableReader
from shared.membership.heartbeat import HeartbeatWatch
from shared.process.clock import monotonic_s, now_ms
from shared.process.service import Service
from shared.process.telemetry import RECORDS_IN

log = logging.getLogger(__name__)

DISPATCH_PATTERN: Final = r"^mt\.dispatch\.(?!dlq$).*"
DISPATCH_PREFIX: Final = "mt.dispatch."
POLL_MS: Final = 1_000
METADATA_MAX_AGE_MS: Final = 5_000
STOP_GRACE_S: Final = 15.0
"""Beyond the longest response_timeout_s of a connector, for the end of a process."""

TRACES_GRACE_S: Final = 5.0
"""For traces that are still being written to their files."""


def connector_of(topic: str) -> str:
    """The connector of a dispatch topic."""
    return topic.removeprefix(DISPATCH_PREFIX)


class Binder:
    """One binder process: `await run()` returns when the service is asked to stop and everything is released."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._workers: dict[TopicPartition, LeaseWorker] = {}
        self._draining: set[LeaseWorker] = set()
        self._accounts: dict[Account, AccountBackoff] = {}
        self._paused: set[TopicPartition] = set()
        self._generation = -1
        self._joined = False
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._turned = asyncio.Event()
        self._consumer = make_consumer(
            service.settings,
            **group_options(service.settings, BINDER_GROUP),
            partition_assignment_strategy=(RoundRobinPartitionAssignor,),
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
            max_partition_fetch_bytes=1 << 20,
        )
        self._producer = BatchProducer(service.settings, client_id=BINDER_GROUP)
        self._outbox = Outbox(self._producer)
        self._committer = Committer(self._consumer, self._workers.values)
        self._board = StateBoard(self._outbox, service.owner, self._on_lease_record)
        self._tracing = Tracing(self._outbox, service.owner, TraceFiles(service.settings.data_dir))
        self._tables = TableReader(
            service.settings,
            {
                CONNECTOR_STATES: self._board.read,
                SERVICE_STATES: self._on_beat,
                TRACE_REQUESTS: self._tracing.read,
            },
            service.fail,
        )
        self._watch = Watch(service.owner, monotonic_s())
        self._heartbeat: HeartbeatWatch | None = None
        self._around = Surroundings(
            owner=service.owner,
            events=service.events,
            outbox=self._outbox,
            receiving=Receiving(self._outbox),
            committer=self._committer,
            board=self._board,
            takeover=Takeover(service.settings, self._producer, self._outbox, self._committer, service.owner),
            tracing=self._tracing,
            watch=lambda: self._watch,
            account=self._account,
            accepted=self._on_accepted,
            fresh=self._fresh,
            writable=self._writable,
            alive=self._alive,
            seek=self._seek,
            end_offset=self._end_offset,
            gone=self._on_gone,
            failed=self._failed,
        )
        service.expect(BINDER_GROUP)
        service.lags[BINDER_GROUP] = self._lag

    # -- life -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until the service is asked to stop. Raises what makes going on impossible."""
        try:
            await self._producer.start()
            await self._tables.start()
            self._watch = Watch(self._service.owner, monotonic_s())
            await self._consumer.start()
            self._heartbeat = HeartbeatWatch(self._consumer)
            wait_for_the_reader(self._consumer)
            self._consumer.subscribe(pattern=DISPATCH_PATTERN, listener=_Listener(self))
            for work in (self._outbox.run(), self._committer.run(), self._follow_gateway(), self._consume()):
                self._spawn(work)
            await self._first(self._service.stopping.wait())
            if not self._ended.done():
                await self._finish()
            if self._ended.done():
                self._ended.result()
        finally:
            await self._close()

    async def _finish(self) -> None:
        """Stop claiming, finish every window, unbind, release, commit."""
        await self._committer.commit_now()
        for worker in self._workers.values():
            worker.finish()
        longest_s = max((c.options.response_timeout_s for c in self._service.gateway.connectors.values()), default=0)
        deadline_s = monotonic_s() + longest_s + STOP_GRACE_S
        while self._leases_alive() and not self._ended.done() and monotonic_s() < deadline_s:
            await asyncio.sleep(0.02)
            self._service.progress()
        await self._first(self._outbox.flushed())
        await self._committer.commit_now()

    async def _first(self, awaited: Awaitable[Any]) -> None:
        """Wait for `awaited`, or for the end of everything."""
        waiting: asyncio.Future[Any] = asyncio.ensure_future(awaited)
        await asyncio.wait([waiting, self._ended], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    def _leases_alive(self) -> bool:
        everybody = (*self._workers.values(), *self._draining)
        return any(worker.lease.state is not LeaseState.GONE for worker in everybody)

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for worker in (*self._workers.values(), *self._draining):
            await worker.stop()
        await self._tables.stop()
        await self._tracing.finish(TRACES_GRACE_S)
        if self._service.settings.leave_groups and self._service.stopping.is_set():
            become_dynamic(self._consumer)
        await self._consumer.stop()
        await self._producer.stop()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        async def guarded() -> None:
            try:
                await work
            except Exception as error:
                self._failed(error)

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # one that is cancelled may never have begun

    def _failed(self, error: BaseException) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)

    # -- consuming --------------------------------------------------------------------------------------------------

    async def _consume(self) -> None:
        while not self._service.stopping.is_set():
            found = await poll(self._consumer, timeout_ms=POLL_MS, max_records=QUEUE_HIGH)
            self._service.progress()
            for tp, records in found.items():
                worker = self._workers.get(tp)
                if worker is not None:
                    RECORDS_IN.labels(tp.topic).inc(len(records))
                    worker.submitter.take(records)
            self._turn()

    def _turn(self) -> None:
        """What is looked at now and then: every poll ends after a second at the latest."""
        woken, self._turned = self._turned, asyncio.Event()
        woken.set()
        must_drop = self._watch.must_drop(monotonic_s())
        for worker in (*self._workers.values(), *self._draining):
            if must_drop:
                worker.drop()
            worker.submitter.advance()
        self._watch.dropped()
        for tp, worker in self._workers.items():
            queued = worker.submitter.submissions.queued
            if queued > QUEUE_HIGH and tp not in self._paused:
                self._consumer.pause(tp)
                self._paused.add(tp)
            elif queued < QUEUE_HIGH // 2 and tp in self._paused:
                self._consumer.resume(tp)
                self._paused.discard(tp)

    def _lag(self) -> int:
        """Records of our partitions that are neither claimed nor refused yet."""
        assigned = self._consumer.assignment()
        ends = {tp: self._consumer.highwater(tp) or 0 for tp in self._workers if tp in assigned}
        return sum(
            max(0, end - self._workers[tp].submitter.submissions.journal.next_offset) for tp, end in ends.items()
        )

    def _fresh(self) -> bool:
        heartbeat = self._heartbeat
        return heartbeat is not None and not self._committer.suspended and heartbeat.fresh

    def _writable(self) -> bool:
        """Without a look at rebalances: what was claimed is this process's until it lets go of the bind."""
        heartbeat = self._heartbeat
        if heartbeat is None or not heartbeat.fresh:
            return False
        return not self._watch.must_drop(monotonic_s())

    async def _alive(self) -> None:
        while not self._fresh() or self._watch.must_drop(monotonic_s()):
            await self._turned.wait()

    def _seek(self, tp: TopicPartition, offset: int) -> None:
        try:
            self._consumer.seek(tp, offset)
        except IllegalStateError as error:
            raise NotOwner(str(error)) from error

    async def _end_offset(self, tp: TopicPartition) -> int:
        ends = await self._consumer.end_offsets([tp])
        return int(ends[tp])

    # -- the group --------------------------------------------------------------------------------------------------

    async def on_revoked(self) -> None:
        """Everything may go to others: commit what can be; links stay up."""
        self._committer.suspended = True
        await self._committer.commit_now(last=True)
        for worker in self._workers.values():
            worker.withdraw()

    async def on_assigned(self, assigned: set[TopicPartition]) -> None:
        """What is ours now: keep, let go, begin."""
        if not self._joined:
            self._joined = True
            if rejoin_if_blind(self._consumer):
                return
        generation = group_generation(self._consumer)
        consecutive = self._generation >= 0 and generation - self._generation in (0, 1)
        self._generation = generation
        kept = {tp for tp in self._workers if consecutive and tp in assigned}
        before = {tp: self._workers.pop(tp) for tp in list(self._workers) if tp not in kept}
        self._draining.update(before.values())
        fresh = assigned - kept if not self._service.stopping.is_set() else set()
        marks = await self._committed_marks(fresh) if fresh else {}
        self._paused.clear()
        for tp in kept:
            self._consumer.seek(tp, self._workers[tp].submitter.submissions.journal.next_offset)
        for tp in fresh:
            self._begin(tp, *marks[tp], predecessor=before.get(tp))
        self._committer.suspended = False
        for worker in before.values():
            worker.lost()
        for tp in kept:
            self._workers[tp].kept()
        if self._heartbeat is not None:
            await self._heartbeat.ask()  # once: aiokafka waits for this, and without an answer nothing is claimed yet
        self._committer.poke()
        self._turn()
        names = [f"{tp.topic}:{tp.partition}" for tp in assigned]
        self._service.set_assignment(BINDER_GROUP, names)
        log.info("assigned %s (kept %d)", ", ".join(sorted(names)) or "nothing", len(kept))
        self._spawn(self._sync([self._workers[tp] for tp in fresh if tp in self._workers]))

    async def _committed_marks(self, partitions: set[TopicPartition]) -> dict[TopicPartition, tuple[BinderMark, int]]:
        committed = await committed_with_metadata(self._service.settings, BINDER_GROUP)
        unknown = [tp for tp in partitions if tp not in committed]
        begins = await self._consumer.beginning_offsets(unknown) if unknown else {}
        marks = {}
        for tp in partitions:
            offset, text = committed.get(tp, (begins.get(tp, 0), ""))
            last = self._board.last((connector_of(tp.topic), tp.partition))
            marks[tp] = (BinderMark.from_text(text) or mark_of_unknown(offset, last.epoch if last else 0), offset)
        return marks

    def _begin(self, tp: TopicPartition, found: BinderMark, committed: int, predecessor: LeaseWorker | None) -> None:
        connector_id = connector_of(tp.topic)
        connector = self._service.gateway.connector(connector_id)
        if predecessor is None:
            predecessor = next((w for w in self._draining if w.tp == tp), None)
        self._consumer.seek(tp, committed)
        self._workers[tp] = LeaseWorker(
            tp,
            connector or unknown_connector(connector_id),
            found,
            committed,
            self._around,
            wanted=self._wanted(tp, connector),
            predecessor=predecessor,
        )

    async def _sync(self, workers: list[LeaseWorker]) -> None:
        await self._tables.sync()
        for worker in workers:
            worker.synced()

    def _on_gone(self, worker: LeaseWorker) -> None:
        self._draining.discard(worker)
        for other in self._workers.values():
            if other.tp == worker.tp:
                other.look()

    # -- who else is there ------------------------------------------------------------------------------------------

    def _on_lease_record(self, place: Place) -> None:
        last = self._board.last(place)
        if last is not None:
            self._watch.wrote(last.owner, monotonic_s())
        for worker in list(self._workers.values()):
            if worker.place == place:
                worker.look()

    def _on_beat(self, record: ConsumerRecord) -> None:
        service, _, owner = (record.key or b"").decode().partition("|")
        if service != BINDER_GROUP:
            return
        if owner != self._service.owner:
            self._watch.beat(owner, monotonic_s())
        elif record.value is not None:
            self._watch.own_beat(made_s(ServiceState.from_json(record.value).beat_at_ms, now_ms(), monotonic_s()))
            if self._watch.must_drop(monotonic_s()):
                self._turn()
            for worker in list(self._workers.values()):
                worker.look()

    # -- configuration ----------------------------------------------------------------------------------------------

    async def _follow_gateway(self) -> None:
        """Adopt every configuration; also look again when a draining connector's time is over."""
        while True:
            timeout_s = self._next_end_s()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._service.gateway.changed()
            except TimeoutError:
                log.info("a draining connector's receipts are overdue")
            for tp, worker in list(self._workers.items()):
                connector = self._service.gateway.connector(connector_of(tp.topic))
                worker.configure(connector or worker.submitter.connector, wanted=self._wanted(tp, connector))

    def _wanted(self, tp: TopicPartition, connector: Connector | None) -> bool:
        """Whether the configuration has a bind for this partition: one of the first max_binds of a connector in use,
        or of a removed one that still waits for receipts.
        """
        if connector is None or tp.partition >= connector.max_binds:
            return False
        draining = self._service.gateway.draining(connector.id)
        if draining is None:
            return True
        return not draining.now and now_ms() < draining.removed_at_ms + connector.receipt_deadline_s * 1000

    def _next_end_s(self) -> float | None:
        """How long until the next draining connector's time is over."""
        gateway = self._service.gateway
        ends = [
            d.removed_at_ms + d.connector.receipt_deadline_s * 1000
            for d in (gateway.draining(c) for c in gateway.connectors)
            if d is not None and not d.now
        ]
        ahead = [end - now_ms() for end in ends if end > now_ms()]
        return min(ahead) / 1000 + 0.1 if ahead else None

    def _on_accepted(self, account: Account) -> None:
        for worker in self._workers.values():
            worker.hurry(account)

    def _account(self, key: Account) -> AccountBackoff:
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = AccountBackoff(random.random)
        return account


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka logs and swallows what these raise; here it ends the process."""

    def __init__(self, binder: Binder) -> None:
        self._binder = binder

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        try:
            await self._binder.on_revoked()
        except Exception as error:
            self._binder._failed(error)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        try:
            await self._binder.on_assigned(set(assigned))
        except Exception as error:
            self._binder._failed(FatalKafkaError(f"an assignment could not be taken up: {error!r}"))


def made_s(beat_at_ms: int, wall_ms: int, monotonic_now_s: float) -> float:
    """When this process made a beat, on its monotonic clock: its age is told by the wall clock that it was made by.

    A wall clock that was set forward since makes one beat look too old; the next one is right again. One that was set
    back makes it look as young as it can be.
    """
    return monotonic_now_s - max(0, wall_ms - beat_at_ms) / 1000


def unknown_connector(connector_id: str) -> Connector:
    """Stands for a connector whose topic exists and which the configuration does not know: it is never bound."""
    return Connector.model_validate(
        {
            "id": connector_id,
            "host": "unknown.invalid",
            "port": 2775,
            "system_id": "",
            "password": {"env": "UNKNOWN"},
        }
    )
