"""Pure: where septets and octets are cut, and how much room a user data header leaves (3GPP TS 23.040, 9.2.3.24)."""

from typing import Final

from shared.sms.gsm7 import CARRIAGE_RETURN, ESCAPE

USER_DATA_OCTETS: Final = 140
"""What one short message carries: 140 octets, or 160 septets packed into them."""

PIECE_SEPTETS_MIN: Final = 4
"""A packed piece may have to give up three septets, and must go forward."""


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

    Packed pieces that fill their segment end on an octet boundary, where a receiver may take a carriage return for
    padding and drop it; and one septet less would leave seven bits, which `gsm7.pack` has to fill with a carriage
    return that the text has not. So a packed piece is full, or at least two septets shorter.

    Raises ValueError for a `piece_max` below `PIECE_SEPTETS_MIN`, which no header of ours leaves.
    """
    if piece_max < PIECE_SEPTETS_MIN:
        raise ValueError(f"pieces of {piece_max} septets: at least {PIECE_SEPTETS_MIN} are needed")
    total = len(septets)
    if total <= single_max and not (packed and total == single_max and septets.endswith(b"\r")):
        return [septets]
    pieces: list[bytes] = []
    start = 0
    while start < total:
        stop = min(start + piece_max, total)
        if stop - start == piece_max:
            stop = _stop_of_full(septets, stop, packed=packed)
        pieces.append(septets[start:stop])
        start = stop
    return pieces


def _stop_of_full(septets: bytes, stop: int, *, packed: bool) -> int:
    """Where a piece ends that would be full at `stop`."""
    last = septets[stop - 1]
    if not packed:
        return stop - 1 if last == ESCAPE else stop
    if last not in (ESCAPE, CARRIAGE_RETURN):
        return stop
    stop -= 2
    return stop - 1 if septets[stop - 1] == ESCAPE else stop
