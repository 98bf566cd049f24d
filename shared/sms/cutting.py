"""Pure: where septets and octets are cut, and how much room a user data header leaves (3GPP TS 23.040, 9.2.3.24)."""

from typing import Final

from shared.sms.gsm7 import CARRIAGE_RETURN, ESCAPE

USER_DATA_OCTETS: Final = 140
"""What one short message carries: 140 octets, or 160 septets packed into them."""


def octets_behind(header_octets: int) -> int:
    """Octets left behind a header of this length, its length octet included."""
    return USER_DATA_OCTETS - header_octets


def septets_behind(header_octets: int) -> int:
    """Septets left behind a header; fill bits make them begin on a septet boundary, and count as lost."""
    return (USER_DATA_OCTETS - header_octets) * 8 // 7


def cut_octets(octets: bytes, single_max: int, piece_max: int) -> list[bytes]:
    """One piece of at most `single_max`, or several of at most `piece_max` octets; an empty message is one piece."""
    if len(octets) <= single_max:
        return [octets]
    return [octets[start : start + piece_max] for start in range(0, len(octets), piece_max)]


def cut_septets(septets: bytes, single_max: int, piece_max: int, *, packed: bool) -> list[bytes]:
    """One piece of at most `single_max`, or several of at most `piece_max` septets; an escape never ends a piece.

    Packed pieces that fill their segment end on an octet boundary, where a receiver takes a carriage return for
    padding and drops it (TS 23.038, 6.1.2.3.1): such a piece is made one septet shorter instead.
    """
    total = len(septets)
    if total <= single_max and not (packed and total == single_max and septets.endswith(b"\r")):
        return [septets]
    pieces: list[bytes] = []
    start = 0
    while start < total:
        stop = min(start + piece_max, total)
        last = septets[stop - 1]
        full = stop - start == piece_max
        if full and (last == ESCAPE or (packed and last == CARRIAGE_RETURN)):
            stop -= 1
        pieces.append(septets[start:stop])
        start = stop
    return pieces
