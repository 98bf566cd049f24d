"""Edge: one bind lease at work: takes its partition over, announces, binds, drains, lets go."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from schemas.commit_marks import BinderMark
from schemas.gateway.connectors.kinds import Connector
from services.binder.credentials import MissingSecret, fingerprint, read_secret
from services.binder.lease.backoff import AccountBackoff, Failure, failure_of
from services.binder.lease.board import StateBoard
from services.binder.lease.inheritance import Takeover
from services.binder.lease.lease import Command, Do, Happening, Lease, LeaseState, Watch, holder
from services.binder.outbox import Outbox
from services.binder.receive.receiving import Receiving
from services.binder.smpp.link import Link, NotBound
from services.binder.smpp.link_plan import Account, link_plan, over_long, peculiarities
from services.binder.submit.committing import Committer, NotOwner, Point
from services.binder.submit.journal import Journal
from services.binder.submit.submitter import Intent, Submitter
from services.binder.trace.tracing import LinkTrace, Tracing
from shared.messages.events import EventMaker
from shared.process.clock import monotonic_s, now_ms

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every lease worker of the process shares."""

    owner: str
    events: EventMaker
    outbox: Outbox
    receiving: Receiving
    committer: Committer
    board: StateBoard
    takeover: Takeover
    tracing: Tracing
    watch: Callable[[], Watch]
    account: Callable[[Account], AccountBackoff]
    accepted: Callable[[Account], None]
    """A bind of this account was accepted."""
    fresh: Callable[[], bool]
    """Whether this process may decide: its last acknowledged heartbeat is young, and no rebalance is under way."""
    writable: Callable[[], bool]
    """Whether it may write to a socket what it has claimed: its last acknowledged heartbeat is young, and no other
    process can have taken it for dead."""
    alive: Callable[[], Awaitable[None]]
    """Returns when that is so, and its beats come through: no decision after a sleep."""
    seek: Callable[[TopicPartition, int], None]
    end_offset: Callable[[TopicPartition], Awaitable[int]]
    gone: Callable[["LeaseWorker"], None]
    failed: Callable[[BaseException], None]


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
        around: Surroundings,
        *,
        wanted: bool,
        predecessor: "LeaseWorker | None" = None,
    ) -> None:
        self.tp: Final = tp
        self._around = around
        self._found = found
        self._plan = link_plan(connector)
        self._predecessor = predecessor
        self._synced = False
        self._busy = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._may_commit = True
        self._stopped = False
        self._reason = ""
        self._attempting = False
        self._address_no = 0
        self._tried: int | None = None
        """Fingerprint of the secret at the last attempt."""
        self._trace: LinkTrace | None = None
        self.lease = Lease(wanted=wanted)
        self.submitter = Submitter(
            tp,
            connector,
            Journal(found, committed, waiting=True),
            owner=around.owner,
            outbox=around.outbox,
            receiving=around.receiving,
            events=around.events,
            intent=self._intent,
            may_write=self._may_write,
            on_claim=around.committer.poke,
            on_link_down=self._link_down,
        )

    # -- what may be done now ---------------------------------------------------------------------------------------

    def _intent(self) -> Intent:
        if not self._around.fresh():
            return Intent.HOLD
        if self.lease.may_claim:
            return Intent.CLAIM
        return Intent.REFUSE if self.lease.refuses else Intent.HOLD

    def _may_write(self) -> bool:
        """What is claimed may be written while nobody can have taken this process for dead.

        Also between the two ends of a rebalance: the next owner waits for our `released`, or for our silence.
        """
        return self.lease.may_claim and self._around.writable()

    # -- journal (Committed) ----------------------------------------------------------------------------------------

    @property
    def urgent(self) -> bool:
        return self.submitter.submissions.otp_waits

    @property
    def claims_pending(self) -> bool:
        return self.submitter.submissions.journal.claims_pending

    def to_commit(self) -> Point | None:
        if not self._may_commit or self.lease.state is LeaseState.JUDGING:
            return None
        journal = self.submitter.submissions.journal
        return journal.to_commit() if journal.commit_pending else None

    def committed(self, point: Point) -> None:
        self.submitter.committed(point)

    # -- what others tell -------------------------------------------------------------------------------------------

    @property
    def place(self) -> tuple[str, int]:
        return self.submitter.connector.id, self.tp.partition

    def synced(self) -> None:
        """The tables were read to their end after the assignment: now they say who holds the bind."""
        self._synced = True
        self.look()

    def look(self) -> None:
        """Something may have changed about who holds the bind."""
        if self.lease.state is not LeaseState.WAITING or not self._synced:
            return
        if self._predecessor is not None:
            if self._predecessor.lease.state is not LeaseState.GONE:
                return
            self._predecessor = None
        if holder(self._around.board.last(self.place), self._around.watch()) is None:
            self.tell(Happening.FREE)

    def configure(self, connector: Connector, *, wanted: bool) -> None:
        """The configuration was applied anew."""
        plan = link_plan(connector)
        changed, self._plan = plan != self._plan, plan
        window_changed = connector.window != self.submitter.connector.window
        connecting = self.lease.state is LeaseState.CONNECTING
        new_secret = connecting and fingerprint(plan.password) != self._tried
        self.submitter.configure(connector)
        if changed or new_secret:  # what failed before says nothing about it
            self._around.account(plan.account).reset()
            self._address_no = 0
        self.tell(Happening.WANTED if wanted else Happening.UNWANTED)
        if changed:
            self.tell(Happening.CHANGED)
        elif new_secret and self.lease.state is LeaseState.CONNECTING:
            self._start(self._connect())
        elif window_changed and self.lease.state is LeaseState.BOUND:
            self._publish("bound")

    def lost(self) -> None:
        """Another process owns the partition now."""
        self._may_commit = False
        self.tell(Happening.LOST)

    def finish(self) -> None:
        """This process stops; the partition is its own to the end."""
        self.tell(Happening.LOST)

    def withdraw(self) -> int:
        """A rebalance began and everything that could be committed is: returns where reading goes on if it is kept."""
        return self.submitter.submissions.withdraw()

    def kept(self) -> None:
        """The rebalance gave the partition back."""
        if self.lease.state is LeaseState.JUDGING:
            self._start(self._judge())
        self.submitter.advance()

    def hurry(self, account: Account) -> None:
        """Another bind of `account` was accepted: whoever waits out an old delay asks for a new place."""
        waits = self.lease.state is LeaseState.CONNECTING and not self._attempting
        if waits and self._plan.account == account:
            self._start(self._connect())

    def drop(self) -> None:
        """Others will soon take this process for dead: unbind without waiting for answers."""
        link = self.submitter.link
        if link is not None and not link.leaving:
            log.error("%s:%d: no beat of ours came through Kafka; unbinding", *self.place)
            link.leave()
        elif self._attempting:
            self._start(self._connect())

    # -- the lease --------------------------------------------------------------------------------------------------

    def tell(self, happening: Happening, reason: str = "") -> None:
        """Tell the lease and do what follows."""
        self._reason = reason
        for command in self.lease.tell(happening):
            self._obey(command)
        self.submitter.advance()

    def _obey(self, command: Command) -> None:
        if command is Do.JUDGE:
            self._start(self._judge())
        elif command is Do.CONNECT:
            self._start(self._connect())
        elif command is Do.DRAIN:
            self._start(self._drain())
        elif command is Do.FORGET:
            self._forget()
        elif not isinstance(command, Do):
            self._publish(command)
            if command == "binding":
                self._start(self._announce())

    def _publish(self, word: Any) -> None:
        window = self.submitter.connector.window if word == "bound" else 0
        epoch = self.submitter.submissions.journal.epoch
        self._around.board.publish(self.place, word, epoch=epoch, window=window, reason=self._reason)

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
            self._around.failed(error)

    def _forget(self) -> None:
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        self.submitter.close()
        self._around.gone(self)

    async def stop(self) -> None:
        """End at once, for the end of a process that failed: nothing is finished or told."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        link = self.submitter.link
        if link is not None:
            link.cut()

    # -- what takes time --------------------------------------------------------------------------------------------

    async def _judge(self) -> None:
        submitter, around = self.submitter, self._around
        while submitter.submissions.answers:
            await around.outbox.flushed()
        committed = submitter.submissions.journal.committed_up_to
        try:
            verdict = await around.takeover.judge(submitter.connector.id, self.tp, self._found, committed)
            around.seek(self.tp, committed)  # nothing is awaited from here on: no record can come between
        except NotOwner as error:
            log.info("%s:%d: the partition was lost while it was taken over: %s", *self.place, error)
            return
        submitter.adopt(verdict.journal)
        submitter.submissions.doubt(verdict.doubtful, now_ms())
        self.tell(Happening.JUDGED)

    async def _announce(self) -> None:
        await self._around.outbox.flushed()
        await self._around.alive()
        self.tell(Happening.ANNOUNCED)

    async def _connect(self) -> None:
        while True:
            account = self._around.account(self._plan.account)
            wait_s = account.reserve(monotonic_s()) - monotonic_s()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            await self._around.alive()
            self._attempting = True
            try:
                if await self._attempt(account):
                    return
            finally:
                self._attempting = False

    async def _attempt(self, account: AccountBackoff) -> bool:
        connector = self.submitter.connector
        self._tried = fingerprint(self._plan.password)
        try:
            password = read_secret(self._plan.password)
        except MissingSecret as error:
            return self._failed(account, NotBound(None, str(error), unusable=True))
        for warning in over_long(connector, password):
            log.warning("connector %s: %s", connector.id, warning)
        self._trace = self._around.tracing.link(connector, self.tp.partition, self._plan.addresses[self._address_no])
        link = Link(self.submitter, self._trace.session)
        try:
            failed = await link.open(connector, self._plan, password, self._address_no)
        except BaseException:
            self._around.tracing.forget(self._trace)
            raise
        if failed is None:
            return await self._opened(link, account)
        self._around.tracing.forget(self._trace)
        return self._failed(account, failed)

    def _failed(self, account: AccountBackoff, failed: NotBound) -> bool:
        """An attempt failed: count it, say so, and take another address next time where it may have been this one."""
        kind = Failure.UNUSABLE if failed.unusable else failure_of(failed.command_status)
        account.failed(kind, monotonic_s())
        if kind in (Failure.LINK, Failure.REFUSED):
            self._address_no = (self._address_no + 1) % len(self._plan.addresses)
        log.warning("connector %s:%d: %s", *self.place, failed.reason)
        refused = kind is not Failure.LINK
        self._event("bind_refused" if refused else "bind_down", failed.reason, failed.command_status or 0)
        hopeless = kind in (Failure.AUTH, Failure.UNUSABLE)
        self.tell(Happening.AUTH_FAILED if hopeless else Happening.DOWN, failed.reason)
        return False

    async def _opened(self, link: Link, account: AccountBackoff) -> bool:
        """Bound. What lies in the partition now was dispatched before anybody knew of this bind: it is refused."""
        account.accepted(monotonic_s())
        self._around.accepted(self._plan.account)
        try:
            self.submitter.submissions.refuse_below = await self._around.end_offset(self.tp)
        except BaseException as error:
            await link.abort()
            if isinstance(error, KafkaError):
                self.tell(Happening.DOWN, f"Kafka: {error}")
                return False
            raise
        if not link.up:
            return False
        self.submitter.link = link
        self.submitter.configure(self.submitter.connector)
        unusual = ", ".join(peculiarities(self.submitter.connector))
        log.info("connector %s:%d is bound at %s%s", *self.place, link.peer, f" ({unusual})" if unusual else "")
        self._event(
            "bind_up", f"{self.submitter.connector.bind} at {link.peer}, window {self.submitter.connector.window}"
        )
        self.tell(Happening.UP)
        return True

    def _link_down(self, reason: str) -> None:
        state = self.lease.state
        log.info("connector %s:%d: the bind ended: %s", *self.place, reason)
        self._event("bind_down", self._ended(reason))
        self._address_no = 0
        if state is not LeaseState.DRAINING:
            self._around.account(self._plan.account).failed(Failure.LINK, monotonic_s())
            self.submitter.submissions.refuse_unbegun(now_ms())
        self.tell(Happening.DOWN, reason)

    def _ended(self, reason: str) -> str:
        """The reason, and where to read what passed before."""
        trace, self._trace = self._trace, None
        if trace is None or self._stopped:
            return reason
        file = self._around.tracing.ended(trace, reason)
        return reason if file is None else f"{reason}; what passed before: {file}"

    async def _drain(self) -> None:
        submitter = self.submitter
        submitter.submissions.refuse_unbegun(now_ms())
        submitter.advance()
        if submitter.link is not None:
            await submitter.link.drain()
        while not submitter.idle:
            await self._around.outbox.flushed()
        await self._around.outbox.flushed()
        self.tell(Happening.CLOSED)

    def _event(self, word: Any, detail: str, command_status: int = 0) -> None:
        connector_id, partition = self.place
        at_ms = now_ms()
        self._around.outbox.post(
            self._around.events.out(
                word,
                occurred_at_ms=at_ms,
                identity=(connector_id, partition, self._around.owner, at_ms),
                connector_id=connector_id,
                command_status=command_status,
                detail=f"bind {partition}: {detail}",
            )
        )
