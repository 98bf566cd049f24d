"""Edge: the binder's consumer: which partitions are ours, and what comes in them.

What a membership is stands in `shared.membership.member`. On revoke nothing new is claimed and all that can be
committed is, but links stay up. On assign a lease that was kept goes on; one that was lost drains by itself; a new one
waits until its bind is free. "Kept" means that no generation of the group lies between: nobody else can have owned the
partition.
"""

import asyncio
import logging
import math
import re
from collections.abc import Awaitable, Coroutine
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import KafkaError

from schemas.commit_marks import BinderMark
from schemas.groups import BINDER_GROUP
from schemas.topics import CONNECTOR_STATES, MESSAGE_ID_FORMATS, SERVICE_STATES, TRACE_REQUESTS, dispatch_topic
from services.binder.context import BinderContext
from services.binder.kinds import Channels
from services.binder.lease.accounts import Accounts
from services.binder.lease.board import StateBoard
from services.binder.lease.doubt_judgement import mark_of_unknown
from services.binder.lease.gateway_follower import GatewayFollower
from services.binder.lease.inheritance import JournalTakeover
from services.binder.lease.leases import Leases, connector_of
from services.binder.lease.machine import LeaseEvent
from services.binder.lease.owners import OwnerTables
from services.binder.lease.watch import Watch
from services.binder.lease.worker import LeaseWorker
from services.binder.outbox import Outbox
from services.binder.receive.receiving import Receiving
from services.binder.submit.committing import Committer
from services.binder.submit.submitter import QUEUE_HIGH
from services.binder.trace.files import TraceFiles
from services.binder.trace.tracing import Tracing
from shared.kafka.client import group_options, make_consumer, poll
from shared.kafka.committed_offsets import committed_with_metadata
from shared.kafka.errors import FatalKafkaError
from shared.kafka.produce import BatchProducer
from shared.kafka.seam import position_of
from shared.kafka.tables import TableReader
from shared.membership.beginnings import Beginnings
from shared.membership.member import Assignment, Member
from shared.process.awaited import awaited_sentence
from shared.process.clock import monotonic_s
from shared.process.learned_formats import LearnedFormats
from shared.process.metrics import RECORDS_IN
from shared.process.service import Service

log = logging.getLogger(__name__)

DISPATCH_PATTERN: Final = rf"^{re.escape(dispatch_topic(''))}(?!dlq$).*"
POLL_MS: Final = 1_000
METADATA_MAX_AGE_MS: Final = 5_000
PASS_MARKERS_EVERY_S: Final = 60.0
STOP_GRACE_S: Final = 8.0
"""How long the leases may take to end beyond the longest wait for answers. With the traces that are still written it
fits the patience of whoever stops the process (`shared.process.awaited`)."""

TELL_S: Final = 5.0
"""How often a stop says what it waits for."""

TRACES_GRACE_S: Final = 5.0
"""How long traces may take that are still being written to their files."""


class Binder:
    """One binder process: `await run()` returns when the service is asked to stop and everything is released."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._paused: set[TopicPartition] = set()
        self._member = Member(service, BINDER_GROUP, self)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._turned = asyncio.Event()
        self._passed_at_s = monotonic_s()
        self._consumer = make_consumer(
            service.settings,
            **group_options(service.settings, BINDER_GROUP),
            partition_assignment_strategy=(RoundRobinPartitionAssignor,),
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
            max_partition_fetch_bytes=1 << 20,
        )
        self._producer = BatchProducer(service.settings, client_id=BINDER_GROUP, waits=service.waits(BINDER_GROUP))
        self._outbox = Outbox(self._producer)
        self._beginnings = Beginnings(service.settings, BINDER_GROUP, self._producer.send_all)
        self._committer = Committer(self._consumer)
        self._board = StateBoard(self._outbox, service.owner)
        self._tracing = Tracing(self._outbox, service.owner, TraceFiles(service.settings.data_dir))
        self._learned = LearnedFormats()
        self._watch = Watch(service.owner, monotonic_s())
        self._leases = Leases(service.gateway, self._context())
        service.awaited = self._leases.awaited
        self._follower = GatewayFollower(service.settings, service.gateway, self._leases)
        owners = OwnerTables(self._watch, self._board, self._leases, service.beat_made_s)
        self._tables = TableReader(
            service.settings,
            {
                CONNECTOR_STATES: owners.lease_read,
                SERVICE_STATES: owners.beat_read,
                TRACE_REQUESTS: self._tracing.read,
                MESSAGE_ID_FORMATS: self._learned.read,
            },
            service.fail,
        )

    def _context(self) -> BinderContext:
        settings, owner = self._service.settings, self._service.owner
        return BinderContext(
            owner=owner,
            process=self,
            events=self._service.events,
            outbox=self._outbox,
            committer=self._committer,
            board=self._board,
            watch=self._watch,
            accounts=Accounts(),
            takeover=JournalTakeover(
                settings, self._consumer, self._producer, self._outbox, self._committer, self._beginnings, owner
            ),
            open_channel=Channels(Receiving(self._outbox), self._tracing, self._learned.formats).open,
        )

    # -- life -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until the service is asked to stop. Raises what makes going on impossible."""
        try:
            await self._producer.start()
            await self._tables.start()
            self._watch.begin(monotonic_s())
            await self._consumer.start()
            self._member.attach(self._consumer)
            self._consumer.subscribe(pattern=DISPATCH_PATTERN, listener=self._member.listener)
            for work in (self._outbox.run(), self._committer.run(), self._follower.run(), self._consume()):
                self._spawn(work)
            await self._first(self._service.stopping.wait())
            if not self._member.ended.done():
                await self._finish()
            self._member.raise_failure()
        finally:
            await self._close()

    async def _finish(self) -> None:
        """Stop claiming, finish every window, unbind, release, commit."""
        await self._committer.commit_now()
        self._leases.finish()
        drained_s = monotonic_s() + self._leases.drain_timeout_s
        told_s = -math.inf
        while not self._leases.over and not self._member.ended.done() and monotonic_s() < drained_s + STOP_GRACE_S:
            if (awaited := self._leases.awaited()) and monotonic_s() - told_s > TELL_S:
                told_s = monotonic_s()
                log.info("%s", awaited_sentence(awaited, drained_s - told_s))
            await asyncio.sleep(0.02)
            self._progress()
        await self._first(self._outbox.flushed())
        await self._committer.commit_now()

    async def _first(self, awaited: Awaitable[Any]) -> None:
        """Wait for `awaited`, or for the end of everything."""
        waiting: asyncio.Future[Any] = asyncio.ensure_future(awaited)
        await asyncio.wait([waiting, self._member.ended], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._member.stop_restoring()
        await self._leases.stop()
        await self._tables.stop()
        await self._tracing.finish(TRACES_GRACE_S)
        if self._service.stopping.is_set():
            self._member.leave()
        await self._consumer.stop()
        await self._producer.stop()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        async def guarded() -> None:
            try:
                await work
            except Exception as error:
                self.failed(error)

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # one that is cancelled may never have begun

    # -- consuming --------------------------------------------------------------------------------------------------

    async def _consume(self) -> None:
        while not self._service.stopping.is_set():
            found = await poll(self._consumer, timeout_ms=POLL_MS, max_records=QUEUE_HIGH)
            self._progress()
            for tp, records in found.items():
                worker = self._leases.held.get(tp)
                if worker is not None:
                    RECORDS_IN.labels(tp.topic).inc(len(records))
                    worker.submitter.take(records)
            self._turn()

    def _progress(self) -> None:
        """The loop goes on; also during a restore, for which the leases that were kept do not wait."""
        self._service.progress(BINDER_GROUP)

    def _turn(self) -> None:
        """Look at what needs a look now and then. Every poll ends after a second at the latest."""
        woken, self._turned = self._turned, asyncio.Event()
        woken.set()
        self._leases.advance()
        for tp, worker in self._leases.held.items():
            self._pace_reading(tp, worker)
        if monotonic_s() - self._passed_at_s >= PASS_MARKERS_EVERY_S and self.may_decide():
            self._passed_at_s = monotonic_s()
            self._pass_markers()

    def _pass_markers(self) -> None:
        """What Kafka may delete must not lie behind what is committed (docs/guarantees.md)."""
        assigned = self._consumer.assignment()
        for tp, worker in self._leases.held.items():
            position = position_of(self._consumer, tp) if tp in assigned else None
            if position:
                worker.submitter.segments.pass_markers(position)
        self._committer.wake()

    def _pace_reading(self, tp: TopicPartition, worker: LeaseWorker) -> None:
        queued = worker.submitter.segments.queued
        if queued > QUEUE_HIGH and tp not in self._paused:
            self._consumer.pause(tp)
            self._paused.add(tp)
        elif queued < QUEUE_HIGH // 2 and tp in self._paused:
            self._consumer.resume(tp)
            self._paused.discard(tp)

    # -- what leases ask (BinderProcess) -----------------------------------------------------------------------------

    def may_decide(self) -> bool:
        return self._member.fresh and not self._committer.suspended

    def may_write(self) -> bool:
        """Rebalances do not matter here: what was claimed is this process's until it lets go of the bind."""
        return self._member.fresh and not self._watch.must_drop(monotonic_s())

    async def alive(self) -> None:
        while not self.may_decide() or self._watch.must_drop(monotonic_s()):
            await self._turned.wait()

    async def end_offset(self, tp: TopicPartition) -> int:
        ends = await self._consumer.end_offsets([tp])
        return int(ends[tp])

    def failed(self, error: BaseException) -> None:
        self._member.fail(error)

    # -- duties of a member -----------------------------------------------------------------------------------------

    async def revoked(self) -> None:
        """Everything may go to others: commit what can be; links stay up."""
        self._committer.suspended = True
        await self._committer.commit_now(last=True)
        self._leases.withdraw()

    async def assigned(self, assignment: Assignment) -> None:
        """What is ours now: keep, let go, begin."""
        kept = assignment.partitions & self._leases.held.keys() if assignment.consecutive else frozenset()
        try:
            await self._take_up(kept, assignment.partitions - kept)
        except KafkaError as error:
            raise FatalKafkaError(f"an assignment could not be taken up: {error!r}") from error
        await self._member.ask()  # once: aiokafka waits for this, and without an answer nothing is claimed yet
        self._committer.wake()
        self._turn()
        names = ", ".join(sorted(f"{tp.topic}:{tp.partition}" for tp in assignment.partitions))
        log.info("assigned %s (kept %d)", names or "nothing", len(kept))

    async def restore(self, assignment: Assignment) -> None:
        """Leases that are new may look who holds their binds when the tables have been read to their end."""
        await self._tables.sync()
        for worker in self._leases.held.values():
            worker.synced()

    def lag(self) -> int:
        """Records of our partitions that are neither claimed nor refused yet."""
        held, assigned = self._leases.held, self._consumer.assignment()
        ends = {tp: self._consumer.highwater(tp) or 0 for tp in held if tp in assigned}
        return sum(max(0, end - held[tp].submitter.segments.journal.next_offset) for tp, end in ends.items())

    async def _take_up(self, kept: frozenset[TopicPartition], new: frozenset[TopicPartition]) -> None:
        """Go on with `kept`, begin with `new` (unless the process stops), let go of the rest."""
        self._leases.let_go(self._leases.held.keys() - kept)
        fresh = frozenset() if self._service.stopping.is_set() else new
        marks = await self._committed_marks(fresh)
        self._paused.clear()
        self._leases.begin(marks)
        for tp in kept | fresh:
            self._consumer.seek(tp, self._leases.held[tp].submitter.segments.journal.next_offset)
        self._committer.suspended = False
        for tp in kept:
            self._leases.held[tp].apply(LeaseEvent.KEPT)

    async def _committed_marks(
        self, partitions: frozenset[TopicPartition]
    ) -> dict[TopicPartition, tuple[BinderMark, int]]:
        """What the last owners have committed: mark and offset."""
        if not partitions:
            return {}
        committed = await committed_with_metadata(self._service.settings, BINDER_GROUP)
        marks = {}
        for tp, offset in (await self._beginnings.places(partitions, committed)).items():
            _, text = committed.get(tp, (offset, ""))
            last = self._board.last((connector_of(tp), tp.partition))
            marks[tp] = (BinderMark.from_text(text) or mark_of_unknown(offset, last.epoch if last else 0), offset)
        return marks
