"""Pure: which processes live, as far as this one can tell, and whether a bind is still somebody else's."""

from typing import Final

from schemas.connector_states import ConnectorState

SILENT_FOR_S: Final = 20.0
"""Session timeout + 10 s without a beat: an owner counts as dead."""

DROP_AFTER_S: Final = 13.0
"""A process that has not seen a beat of its own for so long unbinds (which takes up to 5 s more): at `SILENT_FOR_S`
others may take its binds."""

WATCH_GAP_S: Final = 6.0
"""Three beats. A watcher that missed its own beats for longer knows nothing about others in that time."""


class Watch:
    """Who lives. Fed with the records of `service.states` and `connector.states` as they are read; times are this
    process's own monotonic seconds, so no clocks are compared.

    An owner is silent when no record of it came for `SILENT_FOR_S` in which this process's own beats came through
    Kafka all the time. A clean stop (tombstone) counts as a last beat: whoever stops cleanly has released first.

    A beat of another counts from when it was read, one of our own from when it was made: what lay in a buffer while
    this process was stopped proves that the others were alive later than they were, which is harmless, and must not
    prove that we were. For the same reason a gap between two of our own beats is remembered until every bind was
    dropped.
    """

    def __init__(self, owner: str, ready_s: float) -> None:
        self.owner: Final = owner
        self.begin(ready_s)

    def begin(self, ready_s: float) -> None:
        """The tables have been read to their end at `ready_s`: beats before are of unknown age."""
        self._ready_s = ready_s
        self._beats: dict[str, float] = {}
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
        since_s = max(self._ready_s, self._steady_since_s, self._beats.get(owner, self._ready_s))
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


def left_open(last: ConnectorState | None, watch: Watch) -> str | None:
    """Whose connection may still be open although the bind is free: an owner that said nothing of its end.

    It may be stopped, not dead; then its connection stands beside the next one until it wakes, and drops it, or until
    the SMSC ends it. After `unbound` it has no connection.
    """
    if last is None or last.state in ("released", "unbound", "auth_failed") or last.owner == watch.owner:
        return None
    return last.owner if watch.silent(last.owner) else None
