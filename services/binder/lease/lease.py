"""Pure: the bind lease of one dispatch partition, as a table (architecture section 5).

Theory. Owning a partition gives the right to hold one bind, but a bind outlives the ownership by the time it takes to
finish its window, and a dead owner's bind outlives its process. So ownership alone is not enough: an owner connects
only after (1) the last holder has said `released`, or is dead (`Watch`), (2) the journal was judged, which begins with
a commit that only the partition's owner can make, and (3) Kafka has acknowledged its own `binding`. Who comes later
finds that record, and waits for it to end.

A rebalance that gives a partition back changes nothing here. What was lost is finished (`DRAINING`) by this lease while
the new owner, a lease of its own in another process or in this one, waits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, TypeAlias

from schemas.connector_states import BindState, ConnectorState

SILENT_FOR_S: Final = 20.0
"""Session timeout + 10 s without a beat: an owner counts as dead."""

DROP_AFTER_S: Final = 13.0
"""A process that has not seen a beat of its own for so long unbinds (which takes up to 5 s more): at `SILENT_FOR_S`
others may take its binds."""

WATCH_GAP_S: Final = 6.0
"""Three beats. A watcher that missed its own beats for longer knows nothing about others in that time."""


class LeaseState(Enum):
    """Where a lease stands; the diagram of the docs is made from `TRANSITIONS`."""

    WAITING = auto()
    JUDGING = auto()
    IDLE = auto()
    ANNOUNCING = auto()
    CONNECTING = auto()
    BOUND = auto()
    DRAINING = auto()
    GONE = auto()


class Happening(Enum):
    """What a lease is told."""

    FREE = auto()
    """Nobody else holds, or may still hold, this bind."""
    JUDGED = auto()
    """The journal is ours."""
    ANNOUNCED = auto()
    """Kafka has acknowledged `binding`, and this process is still a live owner."""
    UP = auto()
    DOWN = auto()
    """The link was lost, or an attempt failed."""
    AUTH_FAILED = auto()
    CLOSED = auto()
    """The window is finished and the connection closed."""
    WANTED = auto()
    """The configuration wants a bind here."""
    UNWANTED = auto()
    """It no longer does: fewer binds, or the connector is gone."""
    CHANGED = auto()
    """Address or credentials changed."""
    LOST = auto()
    """Another process owns the partition, or this one stops."""


class Do(Enum):
    """What follows, to be done by the edge, beside publishing."""

    JUDGE = auto()
    CONNECT = auto()
    DRAIN = auto()
    """Finish the window (at most response_timeout_s), unbind, close; then tell CLOSED."""
    FORGET = auto()


Publish: TypeAlias = BindState
Command: TypeAlias = Publish | Do

_S, _H = LeaseState, Happening

TRANSITIONS: Final[Mapping[tuple[LeaseState, Happening], tuple[LeaseState, tuple[Command, ...]]]] = {
    (_S.WAITING, _H.FREE): (_S.JUDGING, (Do.JUDGE,)),
    (_S.WAITING, _H.LOST): (_S.GONE, (Do.FORGET,)),
    (_S.JUDGING, _H.JUDGED): (_S.IDLE, ("released",)),
    (_S.JUDGING, _H.LOST): (_S.GONE, (Do.FORGET,)),
    (_S.IDLE, _H.WANTED): (_S.ANNOUNCING, ("binding",)),
    (_S.IDLE, _H.LOST): (_S.GONE, (Do.FORGET,)),
    (_S.ANNOUNCING, _H.ANNOUNCED): (_S.CONNECTING, (Do.CONNECT,)),
    (_S.ANNOUNCING, _H.UNWANTED): (_S.IDLE, ("released",)),
    (_S.ANNOUNCING, _H.LOST): (_S.GONE, ("released", Do.FORGET)),
    (_S.CONNECTING, _H.UP): (_S.BOUND, ("bound",)),
    (_S.CONNECTING, _H.DOWN): (_S.CONNECTING, ("unbound",)),
    (_S.CONNECTING, _H.AUTH_FAILED): (_S.CONNECTING, ("auth_failed",)),
    (_S.CONNECTING, _H.CHANGED): (_S.DRAINING, (Do.DRAIN,)),
    (_S.CONNECTING, _H.UNWANTED): (_S.DRAINING, (Do.DRAIN,)),
    (_S.CONNECTING, _H.LOST): (_S.DRAINING, (Do.DRAIN,)),
    (_S.BOUND, _H.DOWN): (_S.CONNECTING, ("unbound", Do.CONNECT)),
    (_S.BOUND, _H.CHANGED): (_S.DRAINING, ("unbound", Do.DRAIN)),
    (_S.BOUND, _H.UNWANTED): (_S.DRAINING, ("unbound", Do.DRAIN)),
    (_S.BOUND, _H.LOST): (_S.DRAINING, ("unbound", Do.DRAIN)),
    (_S.DRAINING, _H.CLOSED): (_S.IDLE, ("released",)),
}
"""(state, happening) -> (state, commands). What is not in it changes nothing. What a lease must remember beside its
state (wanted, lost) is added by `Lease.tell`: an idle lease that is wanted goes on at once, one that is lost ends."""


class Lease:
    """One lease. `wanted`: the configuration has a bind for this partition now."""

    __slots__ = ("_lost", "_wanted", "state")

    def __init__(self, *, wanted: bool) -> None:
        self.state = LeaseState.WAITING
        self._wanted = wanted
        self._lost = False

    def tell(self, happening: Happening) -> tuple[Command, ...]:
        """Take notice; returns what to publish and to do, in this order."""
        if happening in (Happening.WANTED, Happening.UNWANTED):
            self._wanted = happening is Happening.WANTED
        elif happening is Happening.LOST:
            self._lost = True
        commands = self._step(happening)
        if self.state is LeaseState.IDLE:
            if self._lost:
                commands += self._step(Happening.LOST)
            elif self._wanted:
                commands = tuple(c for c in commands if c != "released") + self._step(Happening.WANTED)
        return commands

    def _step(self, happening: Happening) -> tuple[Command, ...]:
        found = TRANSITIONS.get((self.state, happening))
        if found is None:
            return ()
        self.state, commands = found
        return commands

    @property
    def owned(self) -> bool:
        """Whether the partition is this process's, as far as the lease was told."""
        return not self._lost

    @property
    def may_claim(self) -> bool:
        return self.state is LeaseState.BOUND

    @property
    def refuses(self) -> bool:
        """Whether unclaimed records are answered `not_sent`. Not while judging: the epoch is changing."""
        return self.owned and self.state not in (LeaseState.BOUND, LeaseState.JUDGING, LeaseState.GONE)

    @property
    def connects(self) -> bool:
        """Whether this process may have a connection open for it."""
        return self.state in (LeaseState.CONNECTING, LeaseState.BOUND, LeaseState.DRAINING)


@dataclass(slots=True)
class Watch:
    """Who lives. Fed with the records of `service.states` and `connector.states` as they are read; times are this
    process's own monotonic seconds, so no clocks are compared.

    An owner is silent when no record of his came for `SILENT_FOR_S` in which this process's own beats came through
    Kafka all the time. A clean stop (tombstone) counts as a last beat: whoever stops cleanly has released first.

    A beat of another counts from when it was read, one of our own from when it was made: what lay in a buffer while
    this process was stopped proves that the others were alive later than they were, which is harmless, and must not
    prove that we were. For the same reason a gap between two of our own beats is remembered until every bind was
    dropped.
    """

    owner: str
    ready_s: float
    """When the table had been read to its end: older beats are of unknown age."""

    _beats: dict[str, float]
    _own_s: float
    _steady_since_s: float
    _lapsed: bool

    def __init__(self, owner: str, ready_s: float) -> None:
        self.owner = owner
        self.ready_s = ready_s
        self._beats = {}
        self._own_s = ready_s
        self._steady_since_s = ready_s
        self._lapsed = False

    def beat(self, owner: str, at_s: float) -> None:
        """A beat, or the tombstone, of another process ("instance|pid") was read."""
        if owner != self.owner:
            self._beats[owner] = at_s

    def own_beat(self, made_s: float) -> None:
        """A beat that this process made at `made_s` has come back through Kafka."""
        gap_s = made_s - self._own_s
        if gap_s > WATCH_GAP_S:
            self._steady_since_s = made_s
        if gap_s > DROP_AFTER_S:
            self._lapsed = True
        self._own_s = max(self._own_s, made_s)

    def wrote(self, owner: str, at_s: float) -> None:
        """A record of `owner` in `connector.states` was read: a sign of life, and often the first one.

        A new process may have said `binding` before its first beat is read, and must not count as silent ever since.
        Our own records say nothing about our beats.
        """
        if owner != self.owner:
            self._beats[owner] = at_s

    def silent(self, owner: str) -> bool:
        """Whether `owner` counts as dead."""
        since_s = max(self.ready_s, self._steady_since_s, self._beats.get(owner, self.ready_s))
        return self._own_s - since_s >= SILENT_FOR_S

    def must_drop(self, now_s: float) -> bool:
        """Whether this process itself will soon count as dead for the others, or may have since its last `dropped`."""
        return self._lapsed or now_s - self._own_s > DROP_AFTER_S

    def dropped(self) -> None:
        """Every bind of this process is being left."""
        self._lapsed = False


def instance_of(owner: str) -> str:
    """The instance of "instance|pid"."""
    return owner.rpartition("|")[0]


def holder(last: ConnectorState | None, watch: Watch) -> str | None:
    """Who may still hold the bind that `last` speaks of; None = it is free.

    An earlier process of this very instance is dead: there is one process per instance.
    """
    if last is None or last.state == "released" or instance_of(last.owner) == instance_of(watch.owner):
        return None
    return None if watch.silent(last.owner) else last.owner
