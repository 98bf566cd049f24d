"""Pure: which lane gets the next token."""

from collections.abc import Collection
from typing import Final

from schemas.topics import RETRY_LANE, SEGMENT_LANES
from schemas.wire import LANES

FLOOR_PARTS: Final = 10
"""Every lane that waits gets one token of this many."""


class LanePicker:
    """otp before txn before bulk, with a floor of 10 % of the tokens for each lane that waits.

    The retry lane is first in line, but takes no two tokens in a row while another lane waits: at most half of them.
    A lane's claim to its floor grows with every token given while it waits, and ends when it waits no more.
    """

    __slots__ = ("_claims", "_last")

    def __init__(self) -> None:
        self._claims: dict[str, int] = dict.fromkeys(SEGMENT_LANES, 0)
        self._last = ""

    def pick(self, waiting: Collection[str]) -> str:
        """The lane of the next token; `waiting` is not empty and names the lanes with a segment to dispatch now."""
        if len(waiting) == 1 and self._last in waiting:
            return self._last  # alone and picked before: there is no claim to keep
        chosen = self._choose(waiting)
        claims = self._claims
        for lane in LANES:
            claims[lane] = claims[lane] + 1 if lane in waiting else 0
        if chosen != RETRY_LANE:
            claims[chosen] = max(0, claims[chosen] - FLOOR_PARTS)
        self._last = chosen
        return chosen

    def _choose(self, waiting: Collection[str]) -> str:
        if RETRY_LANE in waiting and (self._last != RETRY_LANE or len(waiting) == 1):
            return RETRY_LANE
        ordinary = [lane for lane in LANES if lane in waiting]
        claims = self._claims
        due = [lane for lane in ordinary if claims[lane] >= FLOOR_PARTS - 1]
        return max(due, key=claims.__getitem__) if due else ordinary[0]
