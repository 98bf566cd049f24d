"""Edge: one bind lease at work: reports what happens to its state machine, and carries out what that commands."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from schemas.commit_marks import BinderMark
from schemas.connector_states import BindState
from schemas.gateway.connectors.kinds import Connector
from schemas.lifecycle_events import ERROR_CODE_COLUMN, EventWord
from services.binder.channel import NotConnected
from services.binder.context import BinderContext
from services.binder.lease.accounts import AccountTurns
from services.binder.lease.backoff import Failure
from services.binder.lease.board import BindPlace
from services.binder.lease.machine import Lease, LeaseCommand, LeaseEvent, LeaseState
from services.binder.lease.watch import holder, left_open
from services.binder.submit.committing import NotOwner
from services.binder.submit.journal import Journal
from services.binder.submit.submitter import Submitter
from shared.process.clock import now_ms
from shared.process.metrics import BINDS_LEFT_OPEN

log = logging.getLogger(__name__)

_WORDS: Final[Mapping[LeaseCommand, BindState]] = {
    LeaseCommand.SAY_BINDING: "binding",
    LeaseCommand.SAY_BOUND: "bound",
    LeaseCommand.SAY_UNBOUND: "unbound",
    LeaseCommand.SAY_AUTH_FAILED: "auth_failed",
    LeaseCommand.SAY_RELEASED: "released",
}


class LeaseWorker:
    """The lease of one dispatch partition in this process, from assignment until its last bind is released.

    `predecessor`: an earlier lease of this process for the same partition that still drains.
    """

    def __init__(
        self,
        tp: TopicPartition,
        connector: Connector,
        found: BinderMark,
        committed: int,
        context: BinderContext,
        *,
        wanted: bool,
        predecessor: "LeaseWorker | None" = None,
    ) -> None:
        self.tp: Final = tp
        self._context = context
        self._found = found
        self._predecessor = predecessor
        self._successor: LeaseWorker | None = None
        if predecessor is not None:
            predecessor._successor = self
        self._synced = False
        self._busy = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._reason = ""
        self._failure = Failure.LINK
        self.lease = Lease(wanted=wanted)
        self.submitter = Submitter(tp, connector, Journal(found, committed, waiting=True), self.lease, context)
        self.channel = self.submitter.channel = context.open_channel(connector, tp.partition, self.submitter, self)

    # -- what others report ------------------------------------------------------------------------------------------

    @property
    def place(self) -> BindPlace:
        return self.submitter.connector.id, self.tp.partition

    @property
    def gone(self) -> bool:
        """Whether it has let go of everything, and every lease of this process before it has."""
        return self.lease.state is LeaseState.GONE and (self._predecessor is None or self._predecessor.gone)

    def synced(self) -> None:
        """The tables were read to their end after the assignment: now they say who holds the bind."""
        self._synced = True
        self.check_free()

    def check_free(self) -> None:
        """Something may have changed about who holds the bind."""
        if self.lease.state is LeaseState.GONE and self._successor is not None:
            self._successor.check_free()
        if self.lease.state is not LeaseState.WAITING or not self._synced:
            return
        if self._predecessor is not None and not self._predecessor.gone:
            return
        self._predecessor = None
        last, watch = self._context.board.last(self.place), self._context.watch
        if holder(last, watch) is not None:
            return
        if silent := left_open(last, watch):
            BINDS_LEFT_OPEN.labels(self.place[0]).inc()
            log.warning("connector %s:%d: %s beats no more; its bind may still be open", *self.place, silent)
        self.apply(LeaseEvent.FREE)

    def configure(self, connector: Connector, *, wanted: bool) -> None:
        """The configuration was applied anew."""
        resized = connector.window != self.submitter.connector.window
        self.submitter.connector = connector
        change = self.channel.configure(connector)
        if change is LeaseEvent.CHANGED:  # of the new account nothing is known that would make it wait
            self._account.reset()
        self.apply(LeaseEvent.WANTED if wanted else LeaseEvent.UNWANTED)
        if change is not None:
            self.apply(change)
        if resized:
            self.apply(LeaseEvent.RESIZED)

    def withdraw(self) -> None:
        """A rebalance began and everything that could be committed is."""
        self.submitter.segments.withdraw()

    def link_down(self, reason: str, detail: str) -> None:
        log.info("connector %s:%d: the bind ended: %s", *self.place, reason)
        self._event("bind_down", detail)
        self.apply(LeaseEvent.DOWN, reason)

    # -- the lease ---------------------------------------------------------------------------------------------------

    def apply(self, event: LeaseEvent, reason: str = "", failure: Failure = Failure.LINK) -> None:
        """Report `event` and carry out what follows. `reason` is told with the lease's state, `failure` counts."""
        self._reason, self._failure = reason, failure
        for command in self.lease.apply(event):
            self._carry_out(command)
        self.submitter.advance()

    def _carry_out(self, command: LeaseCommand) -> None:
        match command:
            case LeaseCommand.JUDGE:
                self._start(self._judge())
            case LeaseCommand.ANNOUNCE:
                self._start(self._announce())
            case LeaseCommand.QUEUE:
                self._start(self._queue())
            case LeaseCommand.CONNECT:
                self._start(self._connect())
            case LeaseCommand.DRAIN:
                self._start(self._drain())
            case LeaseCommand.BACK_OFF:
                self._account.failed(self._failure)
            case LeaseCommand.TRY_AFRESH:
                self._account.reset()
            case LeaseCommand.HAND_BACK:
                self.submitter.hand_back()
            case LeaseCommand.LEAVE:
                self.channel.leave("no beat of ours came through Kafka")
            case LeaseCommand.FORGET:
                self._forget()
            case _:
                self._say(_WORDS[command])

    def _say(self, word: BindState) -> None:
        window = self.submitter.connector.window if word == "bound" else 0
        epoch = self.submitter.segments.journal.epoch
        self._context.board.publish(self.place, word, epoch=epoch, window=window, reason=self._reason)

    @property
    def _account(self) -> AccountTurns:
        return self._context.accounts.of(self.channel.account)

    def _forget(self) -> None:
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        self.submitter.close()
        self.check_free()

    # -- commands that take time -------------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` instead of what was going on, once that has ended: never two connections of one lease."""
        if self._stopped:
            work.close()
            return
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        self._task = asyncio.create_task(self._guarded(work), name=f"lease-{self.tp.topic}:{self.tp.partition}")
        self._task.add_done_callback(lambda _: work.close())  # one that is cancelled may never have begun

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            async with self._busy:
                await work
        except Exception as error:
            self._context.process.failed(error)

    async def stop(self) -> None:
        """End at once, for the end of a process that failed: nothing is finished or told."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self.channel.cut()

    async def _judge(self) -> None:
        submitter, context = self.submitter, self._context
        while submitter.segments.answers:
            await context.outbox.flushed()
        committed = submitter.segments.journal.committed_up_to
        try:
            inheritance = await context.takeover.take_over(submitter.connector.id, self.tp, self._found, committed)
        except NotOwner as error:
            log.info("%s:%d: the partition was lost while it was taken over: %s", *self.place, error)
            return
        submitter.adopt(inheritance.journal)
        submitter.segments.doubt(inheritance.doubtful, now_ms())
        self.apply(LeaseEvent.JUDGED)

    async def _announce(self) -> None:
        await self._context.outbox.flushed()
        await self._context.process.alive()
        self.apply(LeaseEvent.ANNOUNCED)

    async def _queue(self) -> None:
        await self._account.turn()
        await self._context.process.alive()
        self.apply(LeaseEvent.TURN)

    async def _connect(self) -> None:
        account = self._account
        failed = await self.channel.connect()
        if failed is not None:
            self._not_connected(failed)
            return
        account.accepted()
        # what lies in the partition now was dispatched before anybody knew of this bind: it is refused
        try:
            self.submitter.segments.refuse_below = await self._context.process.end_offset(self.tp)
        except KafkaError as error:
            self.apply(LeaseEvent.DOWN, f"Kafka: {error}")  # the next attempt waits for the end of this one
            await self.channel.abort()
            return
        except BaseException:
            await self.channel.abort()
            raise
        self._event("bind_up", f"{self.channel.described}, window {self.submitter.connector.window}")
        self.apply(LeaseEvent.UP)

    def _not_connected(self, failed: NotConnected) -> None:
        log.warning("connector %s:%d: %s", *self.place, failed.reason)
        refused = failed.failure is not Failure.LINK
        self._event("bind_refused" if refused else "bind_down", failed.reason, failed.error_code)
        hopeless = failed.failure in (Failure.AUTH, Failure.UNUSABLE)
        self.apply(LeaseEvent.AUTH_FAILED if hopeless else LeaseEvent.DOWN, failed.reason, failed.failure)

    async def _drain(self) -> None:
        await self.channel.drain()
        while not self.submitter.idle:
            await self._context.outbox.flushed()
        await self._context.outbox.flushed()
        self.apply(LeaseEvent.CLOSED)

    def _event(self, word: EventWord, detail: str, error_code: int = 0) -> None:
        connector_id, partition = self.place
        at_ms = now_ms()
        error: dict[str, Any] = {ERROR_CODE_COLUMN: error_code}
        self._context.outbox.post(
            self._context.events.out(
                word,
                occurred_at_ms=at_ms,
                identity=(connector_id, partition, self._context.owner, at_ms),
                connector_id=connector_id,
                detail=f"bind {partition}: {detail}",
                **error,
            )
        )
