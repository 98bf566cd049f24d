"""Pure: when to send enquire_link, and when to give a silent peer up (SMPP 3.4 section 7.2; Q22-Q24).

Any octet received proves that the peer lives and moves every deadline, so no enquire_link is sent while traffic flows.
"""

from typing import Final, Literal, TypeAlias

from shared.smpp.events import LinkFailure

MISSES_MAX: Final = 2
JITTER_SHARE: Final = 0.1

KeepAliveAction: TypeAlias = Literal["none", "enquire_link"] | LinkFailure


class KeepAlive:
    """The silence of one bound session.

    `jitter` in [0, 1] shortens the interval by up to 10 %, so that links of one process do not ask in step; it is
    drawn outside. It is never longer than asked for: that is the peer's limit. With both times given, enquire_link
    comes at half of inactivity_s at the latest. 0 switches a time off.
    """

    def __init__(self, enquire_link_s: float, timeout_s: float, inactivity_s: float, jitter: float, now: float) -> None:
        interval = enquire_link_s
        if enquire_link_s > 0 and inactivity_s > 0:
            interval = min(enquire_link_s, inactivity_s / 2)
        self._interval = interval * (1 - JITTER_SHARE * jitter)
        self._timeout = timeout_s
        self._inactivity = inactivity_s
        self._heard_at = now
        self._asked_at = now
        self.asked = 0
        """enquire_links sent since the peer was last heard of."""

    def heard(self, now: float) -> None:
        """Octets of the peer have arrived."""
        self._heard_at = now
        self.asked = 0

    def _enquire_at(self) -> float | None:
        if self._interval <= 0:
            return None
        return self._asked_at + self._timeout if self.asked else self._heard_at + self._interval

    def next_deadline(self) -> float | None:
        """When `due` has to be asked again; None when both times are off."""
        enquire_at = self._enquire_at()
        if self._inactivity <= 0:
            return enquire_at
        dead_at = self._heard_at + self._inactivity
        return dead_at if enquire_at is None else min(enquire_at, dead_at)

    def due(self, now: float) -> KeepAliveAction:
        """What to do at `now`; `enquire_link` is counted as sent, a `LinkFailure` is the end."""
        enquire_at = self._enquire_at()
        if enquire_at is not None and now >= enquire_at:
            if self.asked >= MISSES_MAX:
                return "enquire_link_unanswered"
            self.asked += 1
            self._asked_at = now
            return "enquire_link"
        if self._inactivity > 0 and now >= self._heard_at + self._inactivity:
            return "inactivity"
        return "none"
