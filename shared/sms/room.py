"""Pure: how much one segment holds, alone and as one of several, beside its user data header."""

from functools import lru_cache
from typing import Final, NamedTuple

from shared.sms.cutting import octets_behind, septets_behind
from shared.sms.message import LongMessage

_CONCATENATION_OCTETS: Final = {"udh8": 5, "udh16": 6, "sar": 5, "payload": 5}


class Room(NamedTuple):
    """What one segment holds beside its header: alone, and as one of several."""

    single_octets: int
    piece_octets: int
    single_septets: int
    piece_septets: int


@lru_cache(maxsize=256)
def room(long_message: LongMessage, element_octets: int) -> Room:
    """The room beside `element_octets` of elements of the message's own; `sar` and `payload` are cut like `udh8`."""
    single = element_octets + 1 if element_octets else 0
    piece = 1 + element_octets + _CONCATENATION_OCTETS[long_message]
    return Room(octets_behind(single), octets_behind(piece), septets_behind(single), septets_behind(piece))


def least_segments(units: int, single_max: int, piece_max: int) -> int:
    """How many segments `units` (septets, code units, octets) take if none is lost at a cut."""
    return 1 if units <= single_max else -(-units // piece_max)
