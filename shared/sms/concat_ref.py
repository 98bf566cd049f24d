"""Pure: the reference number that ties the segments of a message together (3GPP TS 23.040, 9.2.3.24.1; quirk Q37).

`concat_ref` is a hash of the message id: the same message has the same reference on every replay, and on a re-route.
Two messages to one handset collide by chance, once in 256 with 8 bits. `RecentRefs` makes it safe per destination: it
steps past the references that other recent long messages to the same number have. No function of the message alone
could: 256 references are fewer than the messages a handset ever gets.
"""

from collections import OrderedDict
from zlib import crc32


def concat_ref(message_id: str, ref_bits: int) -> int:
    """The reference of this message, `ref_bits` 8 or 16: evenly spread, and the same each time."""
    return crc32(message_id.encode("utf-8", "surrogatepass")) & ((1 << ref_bits) - 1)


class RecentRefs:
    """Remembers the last references given to each of the last destinations; bounded in both directions.

    A function of what it was asked, in that order: who asks a new one about the same messages again gets the same
    references, and what comes then is apart from them.
    """

    def __init__(
        self, destinations_max: int = 100_000, refs_per_destination_max: int = 16, *, odd: bool | None = None
    ) -> None:
        """`odd` False or True: only even or only odd references, for two who cannot ask each other. None: all.

        `refs_per_destination_max` ≤ 128 (with `odd` 64), so that a free 8-bit reference is always there.
        """
        limit = 128 if odd is None else 64
        if not 1 <= refs_per_destination_max <= limit:
            raise ValueError(f"refs_per_destination_max must be 1 to {limit}")
        self._odd = odd
        self._destinations: OrderedDict[str, OrderedDict[str, int]] = OrderedDict()
        self._destinations_max = destinations_max
        self._refs_max = refs_per_destination_max

    def __len__(self) -> int:
        """How many destinations are remembered."""
        return len(self._destinations)

    def choose(self, to: str, message_id: str, ref_bits: int) -> int:
        """The reference for this message to this number; the same again when asked again about the same message."""
        recent = self._destinations.setdefault(to, OrderedDict())
        self._destinations.move_to_end(to)
        if len(self._destinations) > self._destinations_max:
            self._destinations.popitem(last=False)
        mask = (1 << ref_bits) - 1
        known = recent.get(message_id)
        if known is not None:
            return known & mask
        taken = {ref & 0xFF for ref in recent.values()}  # compared by 8 bits: connectors of both widths share a handset
        ref, step = concat_ref(message_id, 16), 1
        if self._odd is not None:
            ref, step = ref & ~1 | self._odd, 2
        while ref & 0xFF in taken:
            ref = (ref + step) & 0xFFFF
        recent[message_id] = ref
        if len(recent) > self._refs_max:
            recent.popitem(last=False)
        return ref & mask
