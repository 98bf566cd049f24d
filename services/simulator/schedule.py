"""Pure: what is due when, in buckets of a few milliseconds, so that thousands of delays cost one timer.

Adding is a dictionary look-up and an append; only the first item of a bucket touches the heap. Items of one bucket come
out together and in the order in which they went in: whoever answers many of them writes once.
"""

import heapq
from typing import Final, Generic, TypeVar

ItemT = TypeVar("ItemT")

LONG_WAIT_S: Final = 0.2
LONG_WAIT_TICKS: Final = 4


class Schedule(Generic[ItemT]):
    """Times are seconds of any clock that never goes back. Nothing comes out early.

    Up to `tick_s` late; what waits LONG_WAIT_S or more up to LONG_WAIT_TICKS of them: a tenth of the wait at most.
    """

    def __init__(self, tick_s: float) -> None:
        self._tick_s = tick_s
        self._buckets: dict[int, list[ItemT]] = {}
        self._ticks: list[int] = []

    def __len__(self) -> int:
        """How many items wait."""
        return sum(map(len, self._buckets.values()))

    def add(self, now: float, wait_s: float, item: ItemT) -> bool:
        """Keep the item for `wait_s`. True when nothing is due earlier: the owner's timer must be set anew."""
        tick = int((now + wait_s) / self._tick_s) + 1
        if wait_s >= LONG_WAIT_S:
            tick += -tick % LONG_WAIT_TICKS
        bucket = self._buckets.get(tick)
        if bucket is not None:
            bucket.append(item)
            return False
        self._buckets[tick] = [item]
        heapq.heappush(self._ticks, tick)
        return self._ticks[0] == tick

    def next_due(self) -> float | None:
        """When `take_due` has something next; None when nothing waits."""
        return self._ticks[0] * self._tick_s if self._ticks else None

    def take_due(self, now: float) -> list[ItemT]:
        """Take out all that is due, earliest bucket first."""
        due: list[ItemT] = []
        while self._ticks and self._ticks[0] * self._tick_s <= now:
            due += self._buckets.pop(heapq.heappop(self._ticks))
        return due

    def take_all(self) -> list[ItemT]:
        """Take out everything, earliest bucket first."""
        return self.take_due(float("inf"))
