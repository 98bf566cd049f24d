"""Edge: one process's membership in one consumer group, for every service that has one.

Theory of a rebalance, in the order in which things happen. aiokafka is eager: in every rebalance all partitions are
revoked from all members, then assigned anew.

* **Join.** `attach` takes a started consumer, whose subscription has `listener`. A static member that comes back may
  have joined blindly (`seam.rejoin_if_blind`); it joins once more, and that first assignment is passed over.
* **Generation.** `generation` rises as soon as a revoke begins, and at the end. What was taken in an older one is
  dropped unless it is in the works already: its records come again from the committed offset, here or elsewhere.
* **Revoke.** Kafka gives the partitions to others only when `Duties.revoked` has returned. A restore that is under way
  is cancelled first. `revoked` finishes the cycle in progress and commits; nothing of the old assignment may be decided
  after it. Heartbeats go on meanwhile.
* **Assign.** `Duties.assigned` is called before heartbeats begin again, so it must be quick. `Assignment.consecutive`
  tells whether what was held before and is held again was nobody else's in between.
* **Restore.** `Duties.restore` may take long. It is over when it has returned *and* a young heartbeat is acknowledged;
  then `restored` is set, the process counts as ready, and only then may anything be decided.
* **Heartbeat freshness.** `check` before anything follows from what was read: no decision after a sleep.
* **Liveness.** `advanced` tells that the loop goes on. It says nothing during a restore, which tells by itself
  (`Service.progress` with the group's name) whenever it has come further: one that hangs is found dead by the watchdog.
* **Lag.** `Duties.lag`, asked with every beat.
* **Failure.** What a callback raises, aiokafka would log and go on; here it ends the membership: `ended` has it.
* **Leave.** `retire` when the service stops: nothing that was taken before is decided after it. `leave` before the
  consumer is stopped: a process that is gone for good tells the group, one that restarts keeps its place.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener

from shared.kafka import seam
from shared.kafka.client import wait_for_the_reader
from shared.kafka.errors import FatalKafkaError
from shared.kafka.fetch_pace import FetchPace
from shared.membership.heartbeat import ASK_AGAIN_S, HeartbeatWatch
from shared.process.clock import monotonic_s
from shared.process.service import Service

SURE_WITHIN_S: Final = 60.0
"""How long a coordinator may take to move to another broker: a dead one's session, an election, the reading of its log.
Half a minute at most, measured; a group that forgets this process meanwhile says so at once."""

ALIVE_FOR_S: Final = 600.0
"""Far beyond any outage that a process lives through, and far below the time after which Kafka forgets a fence."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a member holds from now on.

    `consecutive`: no generation of the group lies between this assignment and the last one. What is in both was
    nobody else's meanwhile. False for the first.
    """

    partitions: frozenset[TopicPartition]
    consecutive: bool


class Duties(Protocol):
    """What a member has to do; called by `Member`, never two at a time. What they raise ends the membership."""

    async def revoked(self) -> None:
        """Finish the cycle in progress and commit. Nothing of the old assignment is decided after it has returned."""

    async def assigned(self, assignment: Assignment) -> None:
        """Take note, quickly: heartbeats wait for it."""

    async def restore(self, assignment: Assignment) -> None:
        """Make ready what the new partitions need, however long it takes. A revoke cancels it."""

    def lag(self) -> int:
        """Records of the held partitions that are not worked off yet."""


class Member:
    """The membership of this process in `group`. Make it, give `listener` to the subscription, `attach` the consumer.

    `fetch_pause_s`: how long after a fetch that brought something the next one is held back; 0 = not at all.
    """

    def __init__(self, service: Service, group: str, duties: Duties, *, fetch_pause_s: float = 0.0) -> None:
        self.group: Final = group
        self.listener: Final[ConsumerRebalanceListener] = _Listener(self)
        self.ended: Final[asyncio.Future[None]] = asyncio.get_running_loop().create_future()
        """Has the error that ended the membership, if one did."""
        self.restored: Final = asyncio.Event()
        """Set while there is an assignment of which everything is ready."""
        self.generation = 0
        self.rebalancing = False
        """A rebalance is under way, from its revoke to its assignment."""
        self.held: frozenset[TopicPartition] = frozenset()
        self._service: Final = service
        self._duties: Final = duties
        self._fetch_pause_s: Final = fetch_pause_s
        self._consumer: AIOKafkaConsumer | None = None
        self._heartbeat: HeartbeatWatch | None = None
        self._attached: Final = asyncio.Event()
        self._joined = False
        self._group_generation = -1
        self._restoring: asyncio.Task[None] | None = None
        service.expect(group)

    # -- life

    @property
    def consumer(self) -> AIOKafkaConsumer | None:
        """The consumer, once attached."""
        return self._consumer

    def attach(self, consumer: AIOKafkaConsumer) -> None:
        """Take a started consumer. Until then nothing counts as restored."""
        self._consumer = consumer
        self._heartbeat = HeartbeatWatch(consumer)
        wait_for_the_reader(consumer)
        if self._fetch_pause_s:
            FetchPace(consumer, self._fetch_pause_s)
        self._service.lags[self.group] = self._duties.lag
        self._attached.set()

    async def attached(self) -> AIOKafkaConsumer:
        """The consumer, as soon as it is attached."""
        await self._attached.wait()
        if self._consumer is None:
            raise FatalKafkaError("no consumer was attached")
        return self._consumer

    @property
    def restoring(self) -> bool:
        """A restore is under way, which tells by itself whether it advances."""
        return self._restoring is not None and not self._restoring.done()

    def advanced(self) -> None:
        """The loop goes on."""
        if not self.restoring:
            self._service.progress(self.group)

    def fail(self, error: BaseException) -> None:
        """End the membership. The first error counts."""
        if not self.ended.done():
            self.ended.set_exception(error)

    def raise_failure(self) -> None:
        """Raise what ended the membership, if anything did."""
        if self.ended.done():
            self.ended.result()

    def retire(self) -> None:
        """The service stops: what was taken before and is not in the works is not decided any more."""
        self.generation += 1

    def leave(self) -> None:
        """Call it before the consumer is stopped: where the settings say so, its partitions are given away at once."""
        if self._service.settings.leave_groups and self._consumer is not None:
            seam.become_dynamic(self._consumer)

    async def stop_restoring(self) -> None:
        """Cancel a restore that is under way, and wait until it has let go of everything."""
        if self._restoring is not None:
            self._restoring.cancel()
            await asyncio.gather(self._restoring, return_exceptions=True)

    # -- may anything be decided

    @property
    def fresh(self) -> bool:
        """Whether an acknowledged heartbeat is young enough for a decision."""
        return self._heartbeat is not None and self._heartbeat.fresh

    @property
    def alive(self) -> bool:
        """Whether a heartbeat was acknowledged within the last minutes: this process has not slept for hours."""
        return self._heartbeat is not None and self._heartbeat.age_s <= ALIVE_FOR_S

    def check(self) -> None:
        """Raise `FatalKafkaError` where this process may have slept: it must not decide anything then."""
        if self._heartbeat is not None:
            self._heartbeat.check()

    async def until_sure(self) -> None:
        """Returns when it is sure that nobody else has the work: a young heartbeat is acknowledged, for the generation
        of the group in which it was taken. Where none is (the coordinator's broker died), it asks, and the loop counts
        as advancing. Raises `FatalKafkaError` where the group does not know this process any more, or says nothing for
        `SURE_WITHIN_S`.
        """
        consumer = self._consumer
        if consumer is None or self._heartbeat is None or self._heartbeat.fresh:
            return
        generation, began_s = seam.group_generation(consumer), monotonic_s()
        while not self._heartbeat.fresh:
            if seam.group_generation(consumer) != generation or monotonic_s() - began_s > SURE_WITHIN_S:
                self._heartbeat.check()
                return
            self._service.progress(self.group)
            await self._heartbeat.ask()
            if not self._heartbeat.fresh:
                await asyncio.sleep(ASK_AGAIN_S)

    @property
    def group_generation(self) -> int:
        """The group's generation, as this member knows it."""
        return -1 if self._consumer is None else seam.group_generation(self._consumer)

    async def ask(self) -> None:
        """Send a heartbeat now, not when the next is due. Raises `FatalKafkaError`."""
        if self._heartbeat is not None:
            await self._heartbeat.ask()

    async def until_fresh(self) -> None:
        """Returns when a young heartbeat is acknowledged; asks for one where none is. Raises `FatalKafkaError`."""
        if self._heartbeat is not None:
            await self._heartbeat.until_fresh()

    # -- the group

    async def on_revoked(self) -> None:
        """aiokafka's callback."""
        self.rebalancing = True
        self.generation += 1
        self.restored.clear()
        await self.stop_restoring()
        try:
            await self._duties.revoked()
        except Exception as error:
            self.fail(error)

    async def on_assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """aiokafka's callback."""
        if not self._joined:
            self._joined = True
            if self._consumer is not None and seam.rejoin_if_blind(self._consumer):
                return  # shared out again at once
        self.rebalancing = False
        self.held = frozenset(partitions)
        assignment = Assignment(self.held, self._follows())
        try:
            await self._duties.assigned(assignment)
        except Exception as error:
            self.fail(error)
            return
        self._restoring = asyncio.create_task(self._restore(assignment), name=f"{self.group}-restore")

    def _follows(self) -> bool:
        """Whether this assignment follows the last one. Unknown (and so not) before the consumer was attached."""
        before = self._group_generation
        self._group_generation = self.group_generation
        return before >= 0 and self._group_generation - before in (0, 1)

    async def _restore(self, assignment: Assignment) -> None:
        held = sorted(f"{tp.topic}:{tp.partition}" for tp in assignment.partitions)
        self._service.set_assignment(self.group, held, ready=False)
        self._service.progress(self.group)
        try:
            await self._duties.restore(assignment)
            await self._attached.wait()
            await self.until_fresh()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self.fail(error)
            return
        self._service.progress(self.group)
        self._service.set_assignment(self.group, held)
        self.restored.set()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped here
    """Hands aiokafka's callbacks to the member."""

    def __init__(self, member: Member) -> None:
        self._member = member

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._member.on_revoked()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self._member.on_assigned(set(assigned))
