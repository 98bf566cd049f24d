"""Pure: GSM 7-bit text (3GPP TS 23.038, 6.1 and 6.2): characters to septets and back, unpacked or packed.

A `SeptetAlphabet` is one locking table with one single shift table; `alphabet(0, 0)` is the default alphabet with its
extension. Encoding runs in C: `codecs.charmap_build` makes a one-octet form of the text in which the high bit marks a
character of the single shift table (two septets), so length, cost and cuts are simple operations on bytes.
"""

import codecs
from dataclasses import dataclass
from functools import cache
from typing import Final, cast

from shared.sms.national_tables import LOCKING_SHIFT, SINGLE_SHIFT, UNASSIGNED

ESCAPE: Final = 0x1B
CARRIAGE_RETURN: Final = 0x0D

_NO_CHARACTER: Final = "\ufffe"  # what codecs.charmap_* take as "undefined"
_SEPTETS: Final = bytes(range(0x80))
_SHIFT_PAIRS: Final = [(bytes((octet,)), bytes((ESCAPE, octet & 0x7F))) for octet in range(0x100)]


def _expanded(compact: bytes) -> bytes:
    """The one-octet form as septets: each octet with the high bit becomes an escape and a code."""
    for octet in set(compact.translate(None, _SEPTETS)):
        compact = compact.replace(*_SHIFT_PAIRS[octet])
    return compact


@dataclass(frozen=True, slots=True)
class SeptetAlphabet:
    """One pair of tables, and all `characters` they hold. `encoding_map` and `decoding_table` are for codecs only."""

    locking: int
    single: int
    base: str
    shifted: str
    characters: frozenset[str]
    encoding_map: dict[int, int]
    decoding_table: str

    def encode(self, text: str) -> bytes | None:
        """The septets of `text`, one an octet, escapes included; None when a character is in neither table."""
        try:
            compact: bytes = codecs.charmap_encode(text, "strict", self.encoding_map)[0]
        except UnicodeEncodeError:
            return None
        if b"\0" in compact:  # U+0000 is in no table; see _encoding_map for why it gets through to here
            return None
        if b"\x1b" in compact:
            compact = compact.replace(b"\x1b", b"\0")
        return compact if compact.isascii() else _expanded(compact)

    def first_outside(self, text: str) -> int | None:
        """The position of the first character that is in neither table; None when there is none."""
        try:
            compact: bytes = codecs.charmap_encode(text, "strict", self.encoding_map)[0]
        except UnicodeEncodeError as error:
            nul = text.find("\0", 0, error.start)
            return error.start if nul < 0 else nul
        nul = compact.find(0)
        return None if nul < 0 else nul

    def decode(self, septets: bytes) -> str:
        """The text of unpacked septets. Never raises.

        As 6.2.1.1 says: a shifted code without a character shows as the character of the locking table; an escape
        before another escape, or at the end, shows as a space. Anything else without a character, and any octet over
        0x7F, becomes U+FFFD.
        """
        if ESCAPE not in septets:
            return codecs.charmap_decode(septets, "replace", self.decoding_table)[0]
        pieces: list[str] = []
        position = 0
        while (escape := septets.find(ESCAPE, position)) >= 0:
            pieces.append(codecs.charmap_decode(septets[position:escape], "replace", self.decoding_table)[0])
            pieces.append(self._shifted_character(septets[escape + 1 : escape + 2]))
            position = escape + 2
        pieces.append(codecs.charmap_decode(septets[position:], "replace", self.decoding_table)[0])
        return "".join(pieces)

    def _shifted_character(self, code: bytes) -> str:
        if not code or code[0] == ESCAPE:
            return " "
        if code[0] < 0x80 and self.shifted[code[0]] != UNASSIGNED:
            return self.shifted[code[0]]
        return codecs.charmap_decode(code, "replace", self.decoding_table)[0]


def _encoding_map(base: str, shifted: str) -> dict[int, int]:
    """An EncodingMap: octet 0x00–0x7F for the locking table, 0x80 | code for the single shift table.

    Two details make it the fast kind of map and a right one. The character of code 0 ('@') stands at 0x1B, which no
    table uses, because a map whose first entry is not U+0000 becomes a slow dict; so U+0000 itself encodes to 0. And
    a character in both tables stands only in the first, which costs one septet, not two. Of two codes for one
    character the higher is kept, as Android does; for Kannada that steers clear of a misprint (docs/encoding.md).
    """
    codes = {character: 0x80 | code for code, character in enumerate(shifted)}
    codes.update({character: code or ESCAPE for code, character in enumerate(base)})
    del codes[UNASSIGNED]
    table = ["\0", *_NO_CHARACTER * 255]
    for character, code in codes.items():
        table[code] = character
    return cast("dict[int, int]", codecs.charmap_build("".join(table)))  # an EncodingMap, which has no public type


def alphabet(locking: int = 0, single: int = 0) -> SeptetAlphabet:
    """The alphabet of these national language identifiers, 0 for none; one that is not defined counts as 0."""
    return _alphabet(locking if locking in LOCKING_SHIFT else 0, single if single in SINGLE_SHIFT else 0)


@cache
def _alphabet(locking: int, single: int) -> SeptetAlphabet:
    base, shifted = LOCKING_SHIFT[locking], SINGLE_SHIFT[single]
    return SeptetAlphabet(
        locking=locking,
        single=single,
        base=base,
        shifted=shifted,
        characters=frozenset(base + shifted) - {UNASSIGNED},
        encoding_map=_encoding_map(base, shifted),
        decoding_table=base.replace(UNASSIGNED, _NO_CHARACTER) + _NO_CHARACTER * 128,
    )


DEFAULT: Final = alphabet(0, 0)
"""The GSM 7-bit default alphabet with its extension table."""


def pack(septets: bytes, fill_bits: int = 0) -> bytes:
    """Septets packed into octets (6.1.2.1), after `fill_bits` zero bits that align them behind a user data header.

    On the air a short message has its number of septets beside it, so spare bits are zero and mean nothing. SMPP has
    the number of octets only: whoever reads seven spare zero bits finds one more '@'. So the rule of USSD, which is in
    the same position, is borrowed (6.1.2.3.1): they are filled with a carriage return, and a message that itself ends
    in one on an octet boundary gets a second, since a receiver may remove one; the caller leaves room for it, and sees
    to it that neither happens before the last segment (`shared.sms.cutting.cut_septets`). No septets are no octets.
    """
    if not septets:
        return b""
    bits = fill_bits + 7 * len(septets)
    if bits % 8 == 1 or (bits % 8 == 0 and septets[-1] == CARRIAGE_RETURN):
        septets += b"\r"
        bits += 7
    value = 0
    for septet in reversed(septets):
        value = value << 7 | septet
    return (value << fill_bits).to_bytes((bits + 7) // 8, "little")


def unpack(octets: bytes, fill_bits: int = 0) -> bytes:
    """Octets to septets, as many as fit; a carriage return that ends on the octet boundary is padding and removed."""
    count = max(0, (8 * len(octets) - fill_bits) // 7)
    value = int.from_bytes(octets, "little") >> fill_bits
    septets = bytes(value >> (7 * index) & 0x7F for index in range(count))
    ends_on_boundary = fill_bits + 7 * count == 8 * len(octets)
    return septets[:-1] if ends_on_boundary and septets.endswith(b"\r") else septets


def fill_bits_after(header_octets: int) -> int:
    """How many zero bits make the text begin on a septet boundary behind a header of this length (23.040, 9.2.3.24)."""
    return -8 * header_octets % 7
