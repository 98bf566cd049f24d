"""Pure: the whole state machine of a bind lease, as one table: what happens, what follows, what is allowed in between.

Theory. Owning a dispatch partition gives the right to hold one bind, but a bind outlives the ownership by the time it
takes to finish its window, and a dead owner's bind outlives its process. So ownership alone is not enough: an owner
connects only after (1) the last holder has said `released`, or is dead (`watch.py`), (2) the journal was taken over,
which begins with a commit that only the partition's owner can make, and (3) Kafka has acknowledged its own `binding`.
Whoever comes later finds that record, and waits for it to end.

A rebalance that gives a partition back changes nothing here. What was lost is finished (`DRAINING`) by this lease while
the new owner, a lease of its own in another process or in this one, waits.

`TRANSITIONS` is complete: `worker.py` reports events and carries out commands, and decides nothing about the lease.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final, TypeAlias


class LeaseState(Enum):
    """Where a lease stands."""

    WAITING = auto()
    """Ours by assignment; somebody may still hold the bind."""
    JUDGING = auto()
    """Taking the journal over from the last owner."""
    IDLE = auto()
    """Nothing is held. A lease that is wanted or lost leaves this state at once."""
    ANNOUNCING = auto()
    """`binding` is on its way to Kafka."""
    QUEUED = auto()
    """Announced; waits until its account may be tried (again)."""
    CONNECTING = auto()
    """An attempt is under way."""
    BOUND = auto()
    DRAINING = auto()
    """Finishing the window, closing the bind, getting the last answers to Kafka."""
    GONE = auto()


class LeaseEvent(Enum):
    """What happened."""

    FREE = auto()
    """Nobody else holds, or may still hold, this bind."""
    KEPT = auto()
    """A rebalance has given the partition back to this process."""
    JUDGED = auto()
    """The journal is ours."""
    ANNOUNCED = auto()
    """Kafka has acknowledged `binding`, and this process is still a live owner."""
    TURN = auto()
    """The account may be tried now, and this process is a live owner."""
    UP = auto()
    DOWN = auto()
    """The link was lost, or an attempt failed."""
    AUTH_FAILED = auto()
    """An attempt failed for a reason that only a person can mend: credentials, or what is configured."""
    CLOSED = auto()
    """The window is finished, the connection closed, and every answer is in Kafka."""
    WANTED = auto()
    """The configuration wants a bind here."""
    UNWANTED = auto()
    """It no longer does: fewer binds, or the connector is gone."""
    CHANGED = auto()
    """Address or credentials are others now: it takes a new bind."""
    SECRET_CHANGED = auto()
    """The secret has another value than at the last attempt."""
    RESIZED = auto()
    """The window has another size."""
    SILENT = auto()
    """No beat of this process came through Kafka: others will soon take it for dead."""
    LOST = auto()
    """Another process owns the partition: nothing of it is ours to commit any more."""
    STOPPING = auto()
    """This process stops; the partition is its own until the end."""


class LeaseCommand(Enum):
    """What the worker does next."""

    JUDGE = auto()
    """Take the journal over, then report JUDGED."""
    ANNOUNCE = auto()
    """Report ANNOUNCED when Kafka has `binding` and this process is a live owner."""
    QUEUE = auto()
    """Wait for the turn of the account, then report TURN. Whatever was being tried ends first."""
    CONNECT = auto()
    """Try once, then report UP, DOWN or AUTH_FAILED."""
    BACK_OFF = auto()
    """The failure that was reported counts against the account."""
    TRY_AFRESH = auto()
    """What failed before says nothing about the account any more."""
    HAND_BACK = auto()
    """Answer `not_sent` for what is claimed and was not begun to be written."""
    LEAVE = auto()
    """Unbind without waiting for answers."""
    DRAIN = auto()
    """Finish the window (at most the response timeout), unbind, close, flush; then report CLOSED."""
    FORGET = auto()
    """Nothing more comes of this lease."""
    SAY_BINDING = "binding"
    """These five tell everybody, in `connector.states`."""
    SAY_BOUND = "bound"
    SAY_UNBOUND = "unbound"
    SAY_AUTH_FAILED = "auth_failed"
    SAY_RELEASED = "released"


class Intent(Enum):
    """What may be done with records that are not claimed."""

    HOLD = auto()
    CLAIM = auto()
    REFUSE = auto()
    """Answer them `not_sent`."""


Transition: TypeAlias = tuple[LeaseState, tuple[LeaseCommand, ...]]

_S, _E, _C = LeaseState, LeaseEvent, LeaseCommand
_FINISH: Final[Transition] = (_S.DRAINING, (_C.HAND_BACK, _C.SAY_UNBOUND, _C.DRAIN))
_GIVE_UP: Final[Transition] = (_S.DRAINING, (_C.DRAIN,))
_QUEUE_ANEW: Final[Transition] = (_S.QUEUED, (_C.QUEUE,))

_ROWS: Final[Mapping[tuple[LeaseState, LeaseEvent], Transition]] = {
    (_S.WAITING, _E.FREE): (_S.JUDGING, (_C.JUDGE,)),
    (_S.WAITING, _E.LOST): (_S.GONE, (_C.FORGET,)),
    # a takeover that a rebalance broke off begins anew
    (_S.JUDGING, _E.KEPT): (_S.JUDGING, (_C.JUDGE,)),
    (_S.JUDGING, _E.JUDGED): (_S.IDLE, (_C.SAY_RELEASED,)),
    (_S.JUDGING, _E.LOST): (_S.GONE, (_C.FORGET,)),
    (_S.IDLE, _E.WANTED): (_S.ANNOUNCING, (_C.SAY_BINDING, _C.ANNOUNCE)),
    (_S.IDLE, _E.LOST): (_S.GONE, (_C.FORGET,)),
    (_S.ANNOUNCING, _E.ANNOUNCED): _QUEUE_ANEW,
    (_S.ANNOUNCING, _E.UNWANTED): (_S.IDLE, (_C.SAY_RELEASED,)),
    (_S.ANNOUNCING, _E.LOST): (_S.GONE, (_C.SAY_RELEASED, _C.FORGET)),
    (_S.QUEUED, _E.TURN): (_S.CONNECTING, (_C.CONNECT,)),
    (_S.QUEUED, _E.SECRET_CHANGED): (_S.QUEUED, (_C.TRY_AFRESH, _C.QUEUE)),
    (_S.QUEUED, _E.DOWN): (_S.QUEUED, (_C.SAY_UNBOUND,)),  # the end of an attempt that was broken off
    (_S.QUEUED, _E.CHANGED): _GIVE_UP,
    (_S.QUEUED, _E.UNWANTED): _GIVE_UP,
    (_S.QUEUED, _E.LOST): _GIVE_UP,
    (_S.CONNECTING, _E.UP): (_S.BOUND, (_C.SAY_BOUND,)),
    (_S.CONNECTING, _E.DOWN): (_S.QUEUED, (_C.BACK_OFF, _C.SAY_UNBOUND, _C.QUEUE)),
    (_S.CONNECTING, _E.AUTH_FAILED): (_S.QUEUED, (_C.BACK_OFF, _C.SAY_AUTH_FAILED, _C.QUEUE)),
    (_S.CONNECTING, _E.SECRET_CHANGED): (_S.QUEUED, (_C.TRY_AFRESH, _C.QUEUE)),
    (_S.CONNECTING, _E.SILENT): _QUEUE_ANEW,
    (_S.CONNECTING, _E.CHANGED): _GIVE_UP,
    (_S.CONNECTING, _E.UNWANTED): _GIVE_UP,
    (_S.CONNECTING, _E.LOST): _GIVE_UP,
    (_S.BOUND, _E.DOWN): (_S.QUEUED, (_C.HAND_BACK, _C.BACK_OFF, _C.SAY_UNBOUND, _C.QUEUE)),
    (_S.BOUND, _E.RESIZED): (_S.BOUND, (_C.SAY_BOUND,)),
    (_S.BOUND, _E.SILENT): (_S.BOUND, (_C.LEAVE,)),
    (_S.BOUND, _E.CHANGED): _FINISH,
    (_S.BOUND, _E.UNWANTED): _FINISH,
    (_S.BOUND, _E.LOST): _FINISH,
    (_S.DRAINING, _E.SILENT): (_S.DRAINING, (_C.LEAVE,)),
    (_S.DRAINING, _E.CLOSED): (_S.IDLE, (_C.SAY_RELEASED,)),
}

TRANSITIONS: Final[Mapping[tuple[LeaseState, LeaseEvent], Transition]] = {
    **_ROWS,
    # a process that stops lets go as one that has lost the partition does
    **{(state, _E.STOPPING): follows for (state, event), follows in _ROWS.items() if event is _E.LOST},
}
"""(state, event) -> (state, commands). What is not in it changes nothing. What a lease remembers beside its state
(wanted, lost) is added by `Lease.apply`: an idle lease that is wanted goes on at once, one that is lost ends."""


class Lease:
    """One lease. `wanted`: the configuration has a bind for this partition now."""

    __slots__ = ("_ending", "_taken", "_wanted", "state")

    def __init__(self, *, wanted: bool) -> None:
        self.state = LeaseState.WAITING
        self._wanted = wanted
        self._ending = False
        self._taken = False

    def apply(self, event: LeaseEvent) -> tuple[LeaseCommand, ...]:
        """Take `event` in; returns the commands that follow, in their order."""
        if event in (LeaseEvent.WANTED, LeaseEvent.UNWANTED):
            self._wanted = event is LeaseEvent.WANTED
        elif event in (LeaseEvent.LOST, LeaseEvent.STOPPING):
            self._ending = True
            self._taken = self._taken or event is LeaseEvent.LOST
        commands = self._step(event)
        if self.state is LeaseState.IDLE:
            if self._ending:
                commands += self._step(LeaseEvent.LOST)
            elif self._wanted:
                kept_to_itself = tuple(c for c in commands if c is not LeaseCommand.SAY_RELEASED)
                commands = kept_to_itself + self._step(LeaseEvent.WANTED)
        return commands

    def _step(self, event: LeaseEvent) -> tuple[LeaseCommand, ...]:
        found = TRANSITIONS.get((self.state, event))
        if found is None:
            return ()
        self.state, commands = found
        return commands

    # -- what is allowed ---------------------------------------------------------------------------------------------

    @property
    def may_claim(self) -> bool:
        """Whether segments may be claimed, and what is claimed may be written."""
        return self.state is LeaseState.BOUND

    @property
    def may_commit(self) -> bool:
        """Whether the journal is ours to commit. While it is judged only the takeover commits."""
        return not self._taken and self.state is not LeaseState.JUDGING

    def intent(self) -> Intent:
        """What a process that may decide does with records that are not claimed. Not while judging: the epoch is
        changing."""
        if self.may_claim:
            return Intent.CLAIM
        if self._ending or self.state in (LeaseState.JUDGING, LeaseState.GONE):
            return Intent.HOLD
        return Intent.REFUSE
