"""Pure: what is due when, for millions of keys, and how far the log proves that nothing earlier is still to come.

A deadline here is never decided by a clock (docs/guarantees.md): a receipt counts when its LogAppendTime is at or
before the deadline, so a missing one is known only when the log was read beyond that time.
"""

from heapq import heappop, heappush
from typing import Final

WATERMARK_MARGIN_MS: Final = 1_000
"""A high watermark speaks for records appended this long before it was fetched: Kafka's time is known no better."""

BROKERS_APART_MS: Final = 10_000
"""How far the clocks of two brokers may differ. What tells the time and what leads a partition may be two of them, and
who leads it next a third."""


class LogClock:
    """Up to which record time (inclusive, ms) everything that a partition will ever hold has been read.

    `apart_ms`: how far the clocks may differ that have stamped it, and the one that tells the time.
    """

    __slots__ = ("_apart_ms", "proven_ms")

    def __init__(self, apart_ms: int = 0) -> None:
        self._apart_ms = apart_ms
        self.proven_ms = -1

    def read_record(self, timestamp_ms: int) -> None:
        """A record of a LogAppendTime topic was read: nothing older comes behind it."""
        proven_ms = timestamp_ms - 1 - self._apart_ms
        if proven_ms > self.proven_ms:
            self.proven_ms = proven_ms

    def read_to_watermark(self, fetched_at_ms: int) -> None:
        """The position has reached a high watermark that was asked for at `fetched_at_ms`."""
        self.proven_ms = max(self.proven_ms, fetched_at_ms - WATERMARK_MARGIN_MS - self._apart_ms)


_LENGTH_OCTETS: Final = 3


class Calendar:
    """Keys by due time, in buckets of `width_ms`: 3 octets besides the key, nothing to compare or to do while idle.

    A bucket is due as a whole, when its last millisecond is over: up to `width_ms` late, never early. Keys are not
    removed: whoever takes a bucket looks whether its keys still have something due.
    """

    def __init__(self, width_ms: int) -> None:
        self._width_ms: Final = width_ms
        self._buckets: dict[int, bytearray] = {}
        """Keys one behind the other, each followed by its length: they are taken from the end."""
        self._order: list[int] = []
        self._count = 0

    def add(self, due_ms: int, key: bytes) -> None:
        number = due_ms // self._width_ms
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = bytearray()
            heappush(self._order, number)
        bucket += key
        bucket += len(key).to_bytes(_LENGTH_OCTETS)
        self._count += 1

    def __len__(self) -> int:
        return self._count

    @property
    def next_due_ms(self) -> int | None:
        """The last millisecond of the earliest bucket; None when there is nothing."""
        return (self._order[0] + 1) * self._width_ms - 1 if self._order else None

    def first(self) -> list[bytes]:
        """The keys of the earliest bucket, which stays; raises IndexError when there is none."""
        return _last_of(self._buckets[self._order[0]], self._count)[0]

    def take(self, until_ms: int, limit: int) -> list[bytes]:
        """Remove and return keys of the buckets that are over at `until_ms` (inclusive), earliest first, `limit` at
        most: what waited while a process was down comes in pieces, and the rest stays due.
        """
        taken: list[bytes] = []
        while self._order and (self._order[0] + 1) * self._width_ms - 1 <= until_ms and len(taken) < limit:
            bucket = self._buckets[self._order[0]]
            keys, end = _last_of(bucket, limit - len(taken))
            taken += keys
            del bucket[end:]
            if not bucket:
                del self._buckets[heappop(self._order)]
        self._count -= len(taken)
        return taken


def _last_of(bucket: bytearray, most: int) -> tuple[list[bytes], int]:
    """The last keys of a bucket, `most` at most, as they were added, and where the first of them begins."""
    keys: list[bytes] = []
    end = len(bucket)
    while end and len(keys) < most:
        behind = end - _LENGTH_OCTETS
        end = behind - int.from_bytes(bucket[behind:end])
        keys.append(bytes(bucket[end:behind]))
    keys.reverse()
    return keys, end
