"""Pure: how much may be dispatched and not yet answered (docs/guarantees.md, The rate)."""

from collections.abc import Mapping
from typing import Final

AHEAD_MS: Final = 100
"""Work at the binds beyond what is at the SMSC: an OTP stands behind at most this much of it, milliseconds."""

FIRST_GUESS_MS: Final = 200
HOP_MAX_MS: Final = 500
"""More than this between answer and feedback is a pause or two clocks that differ, not a hop."""

TOOK_MAX_MS: Final = 60_000
"""More than this between submit and answer is a clock that was set in between."""


class AnswerTime:
    """Smoothed time from the first octet on the socket to the answer being known here, milliseconds.

    It leaves out how long a segment waited for its turn at the bind: that wait follows from the credits, and a credit
    that follows from the wait would grow without end. One eighth of each new sample counts.
    """

    __slots__ = ("_eighths",)

    def __init__(self) -> None:
        self._eighths = FIRST_GUESS_MS * 8

    @property
    def smoothed_ms(self) -> int:
        return self._eighths // 8

    def sample(self, submitted_at_ms: int, answered_at_ms: int, seen_at_ms: int) -> None:
        hop = min(max(0, seen_at_ms - answered_at_ms), HOP_MAX_MS)
        took = min(max(0, answered_at_ms - submitted_at_ms), TOOK_MAX_MS)
        self._eighths += took + hop - self._eighths // 8


def credit_limit(tps: int, window: int, shares: Mapping[int, int], answer_ms: int) -> int:
    """The most unanswered dispatches of a connector. `shares`: of its live binds; those with 0 do not count.

    Twice the windows, because two hops lie between an answer and the dispatch that takes its place; never less than
    one per bind, or slow connectors would starve a bind. Rounded up: the fraction of one segment that rounding down
    takes away would be a fifth of the rate of a connector with 10 a second.
    """
    binds = sum(1 for share in shares.values() if share > 0)
    return max(binds, min(2 * window * binds, _in_time(tps, answer_ms)))


def bind_limit(window: int, share: int, answer_ms: int) -> int:
    """The most unanswered dispatches of one bind: its part of the connector's, and never less than one."""
    return max(1, min(2 * window, _in_time(share, answer_ms)))


def _in_time(rate: int, answer_ms: int) -> int:
    return -(-rate * (answer_ms + AHEAD_MS) // 1000)
