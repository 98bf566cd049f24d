"""Pure: the octets of a receipt as text: ASCII or UCS-2, decided by the octets themselves.

The text of appendix B is ASCII, whatever data_coding says: some SMSCs copy the one of the message, and some write UCS-2
under data_coding 0 or behind a user data header of 7 octets, where every character begins at an odd place. In UCS-2 the
keys of a receipt have a NUL in every other octet, and in no other alphabet have they any.
"""

from typing import Final

UCS2: Final = 8
_HEAD: Final = 96
"""Octets looked at: the keys stand in front, and a text in Cyrillic behind them has no NULs."""
_KEY_OCTETS: Final = 16
"""Where these are all printable it is ASCII, whatever follows."""
_PRINTABLE: Final = bytes((*range(0x20, 0x7F), 0x09, 0x0A, 0x0D))
_NULS_MIN_SHARE: Final = 4
"""One octet in four is a NUL, or it is no UCS-2: half of them are in the keys."""
_HEADER_LENGTHS: Final = range(2, 0x20)
"""A first octet below 0x20 is no character of a receipt, apart from line ends, which fit no header."""


def receipt_characters(octets: bytes, data_coding: int = 0) -> str:
    """The text, without a user data header and without NULs at its end (quirk Q29). Never raises.

    ASCII is read as Latin-1, which keeps every octet. `data_coding` counts only where the octets leave it open.
    """
    if octets[:1] >= b" " and b"\0" not in octets and data_coding != UCS2:
        return octets.decode("latin-1")  # nearly all of them
    body = octets[_header_octets(octets) :]
    if body[:2] in (b"\xfe\xff", b"\xff\xfe"):
        return body[: len(body) & ~1].decode("utf-16", "replace").rstrip("\0")
    encoding, start = _wide(body, data_coding)
    if not encoding:
        return body.decode("latin-1").rstrip("\0")
    end = len(body) - (len(body) - start) % 2
    return body[start:end].decode(encoding, "replace").rstrip("\0")


def _wide(body: bytes, data_coding: int) -> tuple[str, int]:
    """Encoding and first octet of UCS-2; an empty encoding where it is none."""
    head = body.rstrip(b"\0")[:_HEAD]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if (even + odd) * _NULS_MIN_SHARE < len(head) or not even + odd:
        return ("utf-16-be", 0) if data_coding == UCS2 and head[:_KEY_OCTETS].translate(None, _PRINTABLE) else ("", 0)
    if even >= odd:
        return "utf-16-be", 0
    return ("utf-16-le", 0) if head[:1] > b"\x1f" and head[1:2] == b"\0" else ("utf-16-be", 1)


def _header_octets(octets: bytes) -> int:
    """Octets of a user data header (3GPP TS 23.040, 9.2.3.24) in front, whatever esm_class says; 0 where the elements
    do not add up to its length."""
    if not octets or octets[0] not in _HEADER_LENGTHS or octets[0] >= len(octets):
        return 0
    end, position = octets[0] + 1, 1
    while position + 1 < end:
        position += 2 + octets[position + 1]
    return end if position == end else 0
