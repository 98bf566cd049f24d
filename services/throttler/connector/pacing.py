"""Pure: the rate of a connector in whole numbers: a bucket of tokens, and the shares of it that its binds hold.

The limit is counted at the SMSC's socket, so the last gate is the bind: it keeps the spacing that each dispatch record
carries. What is decided here is how many segments may be handed over, and which spacing each bind is given, so that
the binds together never come to more than `tps`, also while shares change hands (docs/guarantees.md, The rate).
"""

from collections.abc import Iterable, Mapping
from typing import Final

SECOND_US: Final = 1_000_000
TOKEN: Final = 1_000
"""One token in units of the bucket: tokens of a thousandth, so that `tps` x milliseconds is exact."""

BURST_MS: Final = 250
"""How much unused rate is kept for later. It only bridges late cycles: credits bound what lies at the binds."""


class TokenBucket:
    """`tps` tokens a second, one a segment; empty at first. Never more than tps x time + what it holds in any time.

    Times are milliseconds; a clock that goes back grants nothing.
    """

    __slots__ = ("_level", "_seen_ms", "_tps")

    def __init__(self, tps: int, now_ms: int) -> None:
        self._tps = tps
        self._level = 0
        self._seen_ms = now_ms

    @property
    def _most(self) -> int:
        # One token on top of the burst: what comes in while a whole one waits to be taken is not lost.
        return TOKEN + self._tps * BURST_MS

    def set_rate(self, tps: int, now_ms: int) -> None:
        """A new rate counts from now on."""
        self.refill(now_ms)
        self._tps = tps
        self._level = min(self._level, self._most)

    def refill(self, now_ms: int) -> int:
        """Whole tokens at `now_ms`."""
        if now_ms > self._seen_ms:
            self._level = min(self._level + self._tps * (now_ms - self._seen_ms), self._most)
        self._seen_ms = now_ms
        return self._level // TOKEN

    def take(self, tokens: int) -> None:
        """Spend tokens that `refill` has shown."""
        self._level -= tokens * TOKEN

    def next_token_ms(self, now_ms: int) -> int:
        """When there will be a whole token; `now_ms` when there is one."""
        missing = TOKEN - self._level
        return now_ms if missing <= 0 else self._seen_ms + -(-missing // self._tps)


def spacing_us(share: int) -> int:
    """Least time between two submits of a bind with `share` tokens a second, microseconds, rounded up."""
    return -(-SECOND_US // share)


def share_of(spacing: int) -> int:
    """The least whole share that allows `spacing`: how fast a dispatch read back from the log may be followed."""
    return -(-SECOND_US // spacing)


def split_tps(tps: int, binds: Iterable[int]) -> dict[int, int]:
    """Whole shares of `tps` that sum to it, as equal as can be; the lowest partition numbers get the remainder.

    With fewer tokens than binds some get 0, and no work.
    """
    ordered = sorted(binds)
    if not ordered:
        return {}
    base, rest = divmod(tps, len(ordered))
    return {bind: base + (1 if place < rest else 0) for place, bind in enumerate(ordered)}


def grant(
    tps: int, wanted: Mapping[int, int], granted: Mapping[int, int], in_force: Mapping[int, int]
) -> dict[int, int]:
    """The shares that binds may be dispatched with now, on the way from `granted` to `wanted`.

    `in_force` is the fastest that each bind, also one that is gone, may still submit or did within the last second.
    A smaller share counts at once. A greater one (a new bind's too) only when the sum of what every bind may do,
    `in_force` included, stays within `tps`: when all that was dispatched with the old, closer spacing is answered.
    """
    result = {bind: min(share, granted.get(bind, 0)) for bind, share in wanted.items()}
    spent = sum(max(result.get(bind, 0), in_force.get(bind, 0)) for bind in result.keys() | in_force.keys())
    for bind in sorted(wanted):
        held = max(result[bind], in_force.get(bind, 0))
        if wanted[bind] > result[bind] and spent - held + max(wanted[bind], held) <= tps:
            spent += max(wanted[bind], held) - held
            result[bind] = wanted[bind]
    return result
