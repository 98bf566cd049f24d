"""Pure: the last rate gate of one bind: the spacing that the dispatch records carry, kept at the socket.

Two rules together. Spacing: the next submit goes `spacing` after the last one was due, so what is written is even; one
that is late (timers of an event loop are good to a millisecond, and a busy loop has pauses) does not move those behind
it, unless it is later than `LATENESS_NS`: after a longer pause the bind falls behind and does not catch up. Window: in
any `SECOND_NS` at most 1 s / spacing submits, whatever the lateness was.
"""

from collections import deque
from typing import Final

LATENESS_NS: Final = 20_000_000
SECOND_NS: Final = 1_010_000_000
"""A second, and 10 ms for what the network makes of distances, because the limit is counted at the other end. 99 % of
the rate is left."""

MICROSECONDS: Final = 1_000_000


class Pace:
    """When the next segment of a bind may be written. Times are nanoseconds of a clock that never goes back."""

    __slots__ = ("_due_ns", "_last")

    def __init__(self) -> None:
        self._due_ns = 0
        self._last: deque[int] = deque(maxlen=1)

    def wait_ns(self, spacing_us: int, now_ns: int) -> int:
        """How long a submit that asks for `spacing_us` must wait; 0 = go."""
        last = self._last
        limit = max(1, round(MICROSECONDS / max(1, spacing_us)))  # the share, which is a whole number
        if last.maxlen != limit:
            last = self._last = deque(last, maxlen=limit)
        due_ns = self._due_ns
        if len(last) == limit:
            due_ns = max(due_ns, last[0] + SECOND_NS)
        return max(0, due_ns - now_ns)

    def went(self, spacing_us: int, now_ns: int) -> None:
        """A submit that asks for `spacing_us` behind itself is written now."""
        self._due_ns = max(self._due_ns, now_ns - LATENESS_NS) + spacing_us * 1000
        self._last.append(now_ns)
