"""Pure: bytes by key for millions of small entries that are rarely looked at again.

A dict of two bytes objects an entry takes 200 octets besides what is in them. Here they lie in 16,384 small byte arrays
chosen by a CRC of the key: looking up searches one array of tags in C, and nothing is ever rehashed as a whole.
"""

from array import array
from collections.abc import Callable, Iterator
from typing import Final
from zlib import crc32

_SHARDS: Final = 1 << 14
_TAG_OCTETS: Final = 4
KEY_MAX: Final = 255
ROW_MAX: Final = 65_535
"""Octets of key and value together, and one."""


class _Shard:
    """Entries in order of arrival. A row is the key's length, the key, the value."""

    __slots__ = ("lengths", "rows", "tags")

    def __init__(self) -> None:
        self.tags = bytearray()
        self.lengths = array("H")
        self.rows = bytearray()

    def find(self, tag: bytes, key: bytes) -> tuple[int, int] | None:
        """Number of the entry, and where its row begins. A tag that is found across two neighbours is no hit."""
        at = self.tags.find(tag)
        while at >= 0:
            number, odd = divmod(at, _TAG_OCTETS)
            if not odd:
                start = sum(self.lengths[:number])
                if self.rows[start] == len(key) and self.rows.startswith(key, start + 1):
                    return number, start
            at = self.tags.find(tag, at + 1)
        return None


class ColdMap:
    """A map of bytes to bytes; keys up to `KEY_MAX` octets, a row up to `ROW_MAX`."""

    def __init__(self, tag_of: Callable[[bytes], int] = crc32) -> None:
        """`tag_of` gives 32 bits of a key."""
        self._tag_of: Final = tag_of
        self._shards: list[_Shard | None] = [None] * _SHARDS
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def get(self, key: bytes) -> bytes | None:
        """The value; None where there is none."""
        if not self._count:
            return None
        tag = self._tag_of(key)
        shard = self._shards[tag % _SHARDS]
        found = shard.find(tag.to_bytes(_TAG_OCTETS), key) if shard is not None else None
        if shard is None or found is None:
            return None
        number, start = found
        return bytes(shard.rows[start + 1 + len(key) : start + shard.lengths[number]])

    def put(self, key: bytes, value: bytes) -> bool:
        """Set the value; False where key or value is too long (the map is unchanged then)."""
        row = 1 + len(key) + len(value)
        if len(key) > KEY_MAX or row > ROW_MAX:
            return False
        self.pop(key)
        tag = self._tag_of(key)
        shard = self._shards[tag % _SHARDS]
        if shard is None:
            shard = self._shards[tag % _SHARDS] = _Shard()
        shard.tags += tag.to_bytes(_TAG_OCTETS)
        shard.lengths.append(row)
        shard.rows += bytes((len(key),)) + key + value
        self._count += 1
        return True

    def pop(self, key: bytes) -> bool:
        """Remove the entry; False where there was none."""
        if not self._count:
            return False
        tag = self._tag_of(key)
        shard = self._shards[tag % _SHARDS]
        found = shard.find(tag.to_bytes(_TAG_OCTETS), key) if shard is not None else None
        if shard is None or found is None:
            return False
        number, start = found
        del shard.rows[start : start + shard.lengths[number]]
        del shard.tags[number * _TAG_OCTETS : (number + 1) * _TAG_OCTETS]
        del shard.lengths[number]
        self._count -= 1
        return True

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Every entry; the map must not change meanwhile."""
        for shard in self._shards:
            if shard is None:
                continue
            start = 0
            for length in shard.lengths:
                begin, end = start + 1, start + length
                middle = begin + shard.rows[start]
                yield bytes(shard.rows[begin:middle]), bytes(shard.rows[middle:end])
                start = end
