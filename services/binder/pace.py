"""Pure: the last rate gate of one bind: the spacing that the dispatch records carry, kept at the socket."""

from typing import Final

LATENESS_NS: Final = 6_000_000
"""How late a submit may be without moving the ones behind it. Timers of an event loop are good to about a millisecond,
so a gate without any would lose half of a rate whose spacing is of that size. It is no burst: after a longer pause
everything behind it moves."""

STRETCHED_NS_PER_US: Final = 1_012
"""Every spacing is kept 1.2 % longer, so that in any second, counted at the other end of the connection, there are at
most 1 s / spacing submits, with the lateness above and as much again of the network's. 98.8 % of the rate is left."""


class Pace:
    """When the next submit_sm of a bind may be written. Times are nanoseconds of a clock that never goes back."""

    __slots__ = ("_due_ns",)

    def __init__(self) -> None:
        self._due_ns = 0

    def wait_ns(self, now_ns: int) -> int:
        """How long to wait before the next one; 0 = go."""
        return max(0, self._due_ns - now_ns)

    def went(self, spacing_us: int, now_ns: int) -> None:
        """A submit that asked for `spacing_us` behind itself is written now."""
        self._due_ns = max(self._due_ns, now_ns - LATENESS_NS) + spacing_us * STRETCHED_NS_PER_US
