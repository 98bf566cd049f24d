"""Pure: bind leases of one partition over several processes: never two of them bound, whatever dies, stalls or moves.

The model is Kafka (who owns the partition, by generation; the committed epoch; the last record of `connector.states`;
beats) and the SMSC (who has a connection open). Each process has a real `Lease` and a real `Watch`; what `worker` and
`loop` do around them is repeated here in small, every step a rule of its own, so that anything may come between.
Time is the model's. A process that stalls is cut off from Kafka and runs; one that is stopped does nothing at all, not
even leave its bind, and finds what lay in its buffers when it goes on.
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from schemas.connector_states import ConnectorState
from services.binder.lease.machine import Lease, LeaseCommand, LeaseEvent, LeaseState
from services.binder.lease.watch import DROP_AFTER_S, Watch, holder

SESSION_TIMEOUT_S = 10.0
FRESH_S = SESSION_TIMEOUT_S / 2
UNBIND_S = 5.0
BEAT_S = 2.0
NAMES = ("a", "b", "c")


@dataclass
class Process:
    """One binder process, as far as this partition is concerned."""

    owner: str
    born_s: float
    watch: Watch
    heartbeat_s: float
    leases: list[Lease] = field(default_factory=list)
    assigned: bool = False
    epoch: int = 0
    outgoing: list[str] = field(default_factory=list)
    """States posted and not yet acknowledged by Kafka."""
    announced: bool = False
    connection: bool = False
    draining: Lease | None = None
    leaving_until_s: float | None = None
    stalled: bool = False
    stopped: bool = False
    unread: list[tuple[str, float]] = field(default_factory=list)
    """Beats in its buffer, with the time at which they were made."""
    doubts: bool = False
    """It was stopped, has a connection, and has not yet looked whether it may keep it."""
    dead: bool = False


class LeaseMachine(RuleBasedStateMachine):
    """A partition, three instances, one SMSC account with one bind."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.serial = 0
        self.epoch = 0
        self.owned_by: str | None = None
        self.last: ConnectorState | None = None
        self.processes: dict[str, Process] = {}
        self.open: set[str] = set()
        for name in NAMES[:2]:
            self.start(name)

    # -- processes --------------------------------------------------------------------------------------------------

    def alive(self) -> list[Process]:
        return [p for p in self.processes.values() if not p.dead]

    def running(self) -> list[Process]:
        return [p for p in self.alive() if not p.stopped]

    def awake(self) -> list[Process]:
        return [p for p in self.running() if not p.stalled]

    @rule(name=st.sampled_from(NAMES))
    def start(self, name: str) -> None:
        """A process of an instance starts, if none runs."""
        if name in self.processes and not self.processes[name].dead:
            return
        self.serial += 1
        owner = f"{name}|{self.serial}"
        self.processes[name] = Process(owner, self.now_s, Watch(owner, self.now_s), self.now_s)

    @rule(name=st.sampled_from(NAMES))
    def kill(self, name: str) -> None:
        """SIGKILL: the kernel closes its connection."""
        process = self.processes.get(name)
        if process is not None and not process.dead:
            process.dead = True
            self.open.discard(process.owner)

    @rule(name=st.sampled_from(NAMES))
    def stall(self, name: str) -> None:
        """It cannot reach Kafka any more, but runs: no beats, no heartbeats, no commits; its sockets stay open."""
        process = self.processes.get(name)
        if process is not None and not process.dead:
            process.stalled = True

    @rule(name=st.sampled_from(NAMES))
    def recover(self, name: str) -> None:
        process = self.processes.get(name)
        if process is not None:
            process.stalled = False

    @rule(name=st.sampled_from(NAMES))
    def stop(self, name: str) -> None:
        """SIGSTOP, or a machine that is suspended; a beat and a heartbeat of its own are on their way back.

        Its connection stands, but nothing comes through it; what its SMSC makes of that is not ours to say.
        """
        process = self.processes.get(name)
        if process is not None and process in self.awake():
            process.stopped = True
            process.unread.append((process.owner, self.now_s))
            if process.connection:
                process.doubts = True
                self.open.discard(process.owner)

    @rule(name=st.sampled_from(NAMES))
    def go_on(self, name: str) -> None:
        process = self.processes.get(name)
        if process is not None:
            process.stopped = False

    @rule(name=st.sampled_from(NAMES))
    def reads_beats(self, name: str) -> None:
        process = self.processes.get(name)
        if process is None or process not in self.awake():
            return
        for owner, made_s in process.unread:
            if owner == process.owner:
                self.reads_own_beat(process, made_s)
            else:
                process.watch.beat(owner, self.now_s)
        process.unread.clear()

    def reads_own_beat(self, process: Process, made_s: float) -> None:
        process.watch.own_beat(made_s)
        if process.watch.must_drop(self.now_s):
            self._self_fence(process)

    # -- time and beats ---------------------------------------------------------------------------------------------

    @rule(steps=st.integers(1, 12))
    def time_passes(self, steps: int) -> None:
        for _ in range(steps):
            self.now_s += 1.0
            for process in self.awake():
                process.heartbeat_s = self.now_s
            if self.now_s % BEAT_S == 0:
                beats = [(p.owner, self.now_s) for p in self.awake()]
                for process in self.alive():
                    process.unread += beats
            for name in self.processes:
                self.reads_beats(name)
            for process in self.running():
                self._self_fence(process)
        self._expel()

    def _self_fence(self, process: Process) -> None:
        """What `Leases.advance` does every second, with or without Kafka."""
        must_drop = process.watch.must_drop(self.now_s)
        process.watch.dropped()
        if process.leaving_until_s is None and process.connection and must_drop:
            process.leaving_until_s = self.now_s + UNBIND_S
            for lease in process.leases:
                self.report(process, lease, LeaseEvent.SILENT)
        elif process.doubts and process.leaving_until_s is None and process.connection:
            self.open.add(process.owner)
        process.doubts = False
        if process.leaving_until_s is not None and self.now_s >= process.leaving_until_s:
            self._closed(process)

    def _closed(self, process: Process) -> None:
        process.connection, process.leaving_until_s = False, None
        self.open.discard(process.owner)
        for lease in list(process.leases):
            if lease.state in (LeaseState.BOUND, LeaseState.CONNECTING, LeaseState.QUEUED):
                self.report(process, lease, LeaseEvent.DOWN)

    def _expel(self) -> None:
        """The group coordinator: who has not been heard of for the session timeout is out."""
        owner = next((p for p in self.alive() if p.owner == self.owned_by), None)
        if owner is None or self.now_s - owner.heartbeat_s > SESSION_TIMEOUT_S:
            self.owned_by = None

    # -- the group --------------------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(NAMES))
    def rebalance(self, name: str) -> None:
        """The partition goes to a live member. The old owner, if it is in the group, has been told before."""
        target = self.processes.get(name)
        if target is None or target not in self.awake() or self.owned_by == target.owner:
            return
        before = next((p for p in self.alive() if p.owner == self.owned_by), None)
        if before is not None:
            if before not in self.awake():
                return  # the coordinator waits for it, or expels it
            self._lost(before)
        self.owned_by = target.owner
        for process in self.awake():
            if process is not target:
                self._lost(process)  # an expelled one learns it now
        self._lost(target)  # of an earlier generation, expelled meanwhile: nothing is kept
        target.assigned = True
        target.heartbeat_s = self.now_s
        target.leases.append(Lease(wanted=True))

    def _lost(self, process: Process) -> None:
        if process.assigned:
            process.assigned = False
            for lease in process.leases:
                self.report(process, lease, LeaseEvent.LOST)

    @rule(name=st.sampled_from(NAMES))
    def learns_of_its_loss(self, name: str) -> None:
        process = self.processes.get(name)
        if process in self.awake() and process is not None and self.owned_by != process.owner:
            self._lost(process)

    # -- a lease at work --------------------------------------------------------------------------------------------

    def report(self, process: Process, lease: Lease, event: LeaseEvent) -> None:
        for command in lease.apply(event):
            self.carry_out(process, lease, command)
        process.leases = [one for one in process.leases if one.state is not LeaseState.GONE]

    def carry_out(self, process: Process, lease: Lease, command: LeaseCommand) -> None:
        if command is LeaseCommand.DRAIN:
            process.draining = lease
        elif command.name.startswith("SAY_"):
            process.outgoing.append(command.value)

    @rule(name=st.sampled_from(NAMES))
    def publishes(self, name: str) -> None:
        """Kafka acknowledges what a process has posted."""
        process = self.processes.get(name)
        if process is None or process not in self.awake():
            return
        for word in process.outgoing:
            self.last = ConnectorState.model_validate(
                {
                    "connector_id": "c",
                    "partition": 0,
                    "state": word,
                    "owner": process.owner,
                    "epoch": process.epoch,
                    "since_ms": 0,
                }
            )
            process.announced = process.announced or word == "binding"
            for other in self.alive():
                self.reads_state(other, process.owner)
        process.outgoing.clear()

    def reads_state(self, process: Process, owner: str) -> None:
        """`OwnerTables.lease_read`; one that is stalled reads it later, which only makes it wait longer."""
        process.watch.wrote(owner, self.now_s)

    @rule(name=st.sampled_from(NAMES))
    def looks(self, name: str) -> None:
        """`LeaseWorker.check_free`: the table has been read to its end after the assignment."""
        process = self.processes.get(name)
        if process is None or process not in self.awake() or len(process.leases) != 1:
            return
        if self.free(process):
            self.report(process, process.leases[0], LeaseEvent.FREE)

    def free(self, process: Process) -> bool:
        return holder(self.last, process.watch) is None

    @rule(name=st.sampled_from(NAMES))
    def judges(self, name: str) -> None:
        """The takeover begins with a commit that only the owner can make."""
        process = self.processes.get(name)
        if process is None or process not in self.awake() or self.owned_by != process.owner:
            return
        for lease in process.leases:
            if lease.state is LeaseState.JUDGING:
                self.epoch += 1
                process.epoch = self.epoch
                process.announced = False
                self.report(process, lease, LeaseEvent.JUDGED)

    def may_decide(self, process: Process) -> bool:
        """`Binder.alive`: no decision after a sleep."""
        return self.now_s - process.heartbeat_s < FRESH_S and not process.watch.must_drop(self.now_s)

    @rule(name=st.sampled_from(NAMES))
    def writes(self, name: str) -> None:
        """A claimed segment goes to the socket (`Binder.may_write`), unless another has judged it meanwhile."""
        process = self.processes.get(name)
        if process is None or process not in self.running() or not process.connection or not self.may_decide(process):
            return
        if any(lease.may_claim for lease in process.leases):
            assert process.epoch == self.epoch, f"{process.owner} writes what another has judged"

    @rule(name=st.sampled_from(NAMES))
    def takes_its_turn(self, name: str) -> None:
        """An attempt: the SMSC may have a connection from now on, whatever the process knows of it."""
        process = self.processes.get(name)
        if process not in self.running() or process is None or not self.may_decide(process) or process.connection:
            return
        for lease in list(process.leases):
            if lease.state is LeaseState.ANNOUNCING and process.announced and not process.outgoing:
                self.report(process, lease, LeaseEvent.ANNOUNCED)
            if lease.state is LeaseState.QUEUED:
                self.report(process, lease, LeaseEvent.TURN)
                process.connection = True
                self.open.add(process.owner)
                return

    @rule(name=st.sampled_from(NAMES))
    def is_accepted(self, name: str) -> None:
        process = self.processes.get(name)
        if process is None or process not in self.running() or process.leaving_until_s is not None:
            return
        for lease in process.leases:
            if lease.state is LeaseState.CONNECTING:
                self.report(process, lease, LeaseEvent.UP)
                return

    def connects(self, name: str) -> None:
        """The two together."""
        self.takes_its_turn(name)
        self.is_accepted(name)

    @rule(name=st.sampled_from(NAMES))
    def link_breaks(self, name: str) -> None:
        process = self.processes.get(name)
        if process is not None and process in self.running() and process.connection and process.draining is None:
            self._closed(process)

    @precondition(lambda self: any(p.draining for p in self.processes.values()))
    @rule(name=st.sampled_from(NAMES))
    def drained(self, name: str) -> None:
        process = self.processes.get(name)
        if process is None or process not in self.running() or process.draining is None:
            return
        lease, process.draining = process.draining, None
        process.connection, process.leaving_until_s = False, None
        self.open.discard(process.owner)
        self.report(process, lease, LeaseEvent.CLOSED)

    @rule(name=st.sampled_from(NAMES))
    def all_the_way(self, name: str) -> None:
        """What usually happens, in one go."""
        self.rebalance(name)
        for step in (self.publishes, self.looks, self.judges, self.publishes, self.connects, self.publishes):
            step(name)

    # -- what must hold ---------------------------------------------------------------------------------------------

    @invariant()
    def never_two_bound(self) -> None:
        assert len(self.open) <= 1, f"{self.open} are bound at {self.now_s}"

    def teardown(self) -> None:
        """In the end, when all is well for a while, the partition's owner is bound."""
        for name in NAMES:
            self.go_on(name)
            self.recover(name)
        self.start("a")
        for _ in range(6):
            self.time_passes(8)
            for name in NAMES:
                self.publishes(name)
                self.learns_of_its_loss(name)
                if self.processes.get(name) and self.processes[name].draining:
                    self.drained(name)
                self.publishes(name)
            self.all_the_way("a")
            self.never_two_bound()
        assert self.processes["a"].connection


machine_settings = settings(max_examples=100, stateful_step_count=60, deadline=None, report_multiple_bugs=False)


def test_never_two_owners_bound() -> None:
    run_state_machine_as_test(LeaseMachine, settings=machine_settings)


class TrustsOwnership(LeaseMachine):
    """Planted: whoever owns the partition binds, whatever the table says."""

    def free(self, process: Process) -> bool:
        return True


class TrustsSilenceAtOnce(LeaseMachine):
    """Planted: an owner that is not known to beat counts as dead."""

    def free(self, process: Process) -> bool:
        last = self.last
        return holder(last, process.watch) is None or (last is not None and last.owner not in process.watch._beats)


class KnowsBeatsOnly(LeaseMachine):
    """Planted: a new owner whose first beat was not read yet counts as silent since ever."""

    def reads_state(self, process: Process, owner: str) -> None:
        return


class NeverDrops(LeaseMachine):
    """Planted: a process cut off from Kafka keeps its bind."""

    def _self_fence(self, process: Process) -> None:
        process.watch.dropped()


class StampsWhenRead(LeaseMachine):
    """Planted: a beat that lay in the buffer while its process was stopped counts from when it was read."""

    def reads_own_beat(self, process: Process, made_s: float) -> None:
        process.watch.own_beat(self.now_s)
        process.watch.dropped()


class ForgetsGaps(LeaseMachine):
    """Planted: a process that was stopped keeps its bind when its next beat comes before it looks."""

    def reads_own_beat(self, process: Process, made_s: float) -> None:
        process.watch.own_beat(made_s)
        process.watch.dropped()


@pytest.mark.parametrize("planted", [TrustsOwnership, TrustsSilenceAtOnce])
def test_planted_faults_are_caught(planted: type[LeaseMachine]) -> None:
    finding = settings(machine_settings, max_examples=1500, database=None, phases=[Phase.generate], print_blob=False)
    with pytest.raises(AssertionError, match=r"are bound at|has judged"):
        run_state_machine_as_test(planted, settings=finding)


def test_a_new_owner_whose_first_beat_was_not_read_yet_is_alive() -> None:
    """A schedule that hypothesis once found: `a` comes back for what `c`, just started, has bound."""

    def play(machine: LeaseMachine) -> set[str]:
        machine.all_the_way("a")
        machine.all_the_way("b")
        machine.drained("a")
        machine.publishes("a")
        machine.time_passes(20)
        machine.start("c")
        machine.all_the_way("c")
        machine.all_the_way("a")
        return machine.open

    assert play(LeaseMachine()) == {"c|3"}
    assert play(KnowsBeatsOnly()) == {"a|1", "c|3"}


@pytest.mark.parametrize("machine", [LeaseMachine, NeverDrops])
def test_a_process_cut_off_from_kafka_leaves_its_bind_before_another_takes_it(machine: type[LeaseMachine]) -> None:
    played = machine()
    played.all_the_way("a")
    played.stall("a")
    played.time_passes(12)
    played.time_passes(12)
    played.all_the_way("b")
    assert played.open == ({"b|2"} if machine is LeaseMachine else {"a|1", "b|2"})


def stopped_for_too_long(machine: LeaseMachine) -> None:
    """`a` is stopped while it is bound, `b` takes its bind, `a` goes on."""
    machine.all_the_way("a")
    machine.stop("a")
    machine.time_passes(12)
    machine.time_passes(12)
    machine.all_the_way("b")
    assert machine.open == {"b|2"}
    machine.go_on("a")
    machine.writes("a")


@pytest.mark.parametrize("machine", [LeaseMachine, StampsWhenRead])
def test_a_process_that_was_stopped_looks_at_the_age_of_its_beats(machine: type[LeaseMachine]) -> None:
    played = machine()
    stopped_for_too_long(played)
    played.reads_beats("a")
    played._self_fence(played.processes["a"])
    assert played.open == ({"b|2"} if machine is LeaseMachine else {"a|1", "b|2"})


@pytest.mark.parametrize("machine", [LeaseMachine, ForgetsGaps])
def test_a_process_that_was_stopped_remembers_it_when_it_beats_again(machine: type[LeaseMachine]) -> None:
    played = machine()
    stopped_for_too_long(played)
    process = played.processes["a"]
    process.unread.append((process.owner, played.now_s))
    played.reads_beats("a")
    played._self_fence(process)
    assert played.open == ({"b|2"} if machine is LeaseMachine else {"a|1", "b|2"})


def test_the_times_leave_room_to_unbind() -> None:
    assert DROP_AFTER_S + UNBIND_S < SESSION_TIMEOUT_S + 10
