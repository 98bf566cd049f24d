"""Pure: UCS-2 text, which on the wire is UTF-16BE, and where it may be cut into segments.

A surrogate pair is never split. A grapheme cluster (Unicode UAX #29: an emoji with its modifiers, a flag, a family, a
letter with its combining marks) is kept whole as long as it fits a segment and keeping it whole does not cost more
than one segment in all over a cut that only spares surrogate pairs. That bound wins, since segments are paid for.
The work is linear in the text, whatever the text is.
"""

import re
from collections.abc import Sequence
from typing import Final

import regex  # type: ignore[import-untyped] # the package ships no type information

_BIG: Final = b"\xfe\xff"
_LITTLE: Final = b"\xff\xfe"
"""Byte-order marks."""

_COMMON_HIGH: Final = frozenset("一刀开最".encode("utf-16-be")[::2])
"""High octets of the words among the characters U+xx00: swapped they would be the letters NR_g."""

_CLUSTER: Final = regex.compile(r"\X")

_SURE_BOUNDARY: Final = re.compile(
    # left: no zero width joiner, no Prepend character (all Prepend of other planes are below U+1F000), no Hangul lead
    "[^\u200d\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e\u1100-\u115f\ua960-\ua97c\U00010000-\U0001efff]"
    # right: characters that always begin a cluster behind such a left one; no line feed, no mark, no flag half, …
    "[\0-\x09\x0b-\u02ff\u0370-\u0482\u048a-\u052f\u0531-\u0588\u05d0-\u05ea\u0620-\u064a\u0671-\u06d3"
    "\u1e00-\u1fff\u2010-\u2027\u2030-\u205f\u20a0-\u20cf\u2100-\u2bff\u3041-\u3096\u30a1-\u30fa\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7a3\U0001f000-\U0001f1e5\U0001f200-\U0001f3fa\U0001f400-\U0001faff]"
)
"""Two characters with certainly a cluster boundary between them; what is not listed is asked of the `regex` package."""


def encode(text: str) -> bytes | None:
    """UTF-16BE; None when the text holds a lone surrogate, which no octets stand for."""
    try:
        return text.encode("utf-16-be")
    except UnicodeEncodeError:
        return None


def decode(pieces: Sequence[bytes]) -> str:
    """The text of the parts of one message as a handset or SMSC sent them, cut anywhere. Never raises.

    A byte-order mark at the beginning of a part says how the octets go from there on, and is taken off. Without one
    they are big-endian, unless the message can only be ASCII the other way round (`_looks_swapped`).
    """
    runs: list[tuple[bool, bytearray]] = []
    for piece in pieces:
        mark = piece[:2]
        if mark in (_BIG, _LITTLE) and not (runs and len(runs[-1][1]) % 2):
            runs.append((mark == _LITTLE, bytearray(piece[2:])))
        elif runs:
            runs[-1][1].extend(piece)
        else:
            runs.append((False, bytearray(piece)))
    if len(runs) == 1 and not runs[0][0] and pieces[0][:2] != _BIG and _looks_swapped(runs[0][1]):
        runs = [(True, runs[0][1])]
    return "".join(octets.decode("utf-16-le" if little else "utf-16-be", "replace") for little, octets in runs)


def _looks_swapped(octets: bytes | bytearray) -> bool:
    """Whether every code unit is a printable ASCII character with its octets swapped, and nothing people write: read
    as it stands each is a character U+xx00 from all over Unicode. Of those a few are words of their own."""
    if len(octets) < 4 or len(octets) % 2 or any(octets[1::2]):
        return False
    if not all(0x20 <= octet < 0x7F or octet in b"\r\n\t" for octet in octets[::2]):
        return False
    return any(octet not in _COMMON_HIGH for octet in octets[::2])


def cut(text: str, octets: bytes, units_max: int, segments_max: int) -> list[bytes]:
    """Cuts `octets` (= `encode(text)`) into pieces of at most `units_max` code units each.

    `segments_max` bounds the count as far as sparing clusters goes: no cluster is kept whole at the price of passing
    it. A text that needs more in any case is cut plainly, sparing surrogate pairs only: refusing it is the caller's
    business, and no work is spent on it.
    """
    plain = plain_count(octets, units_max)
    if plain > segments_max:
        return plain_cut(octets, units_max)
    limit = min(plain + 1, segments_max)
    total = len(octets) // 2
    pieces: list[bytes] = []
    start = first = 0  # in code units, and in characters of the text
    boundary = 0  # where the cluster begins that `first` is in
    while total - start > units_max:
        stop = _plain_stop(octets, start, units_max)
        following = first + len(octets[2 * start : 2 * stop].decode("utf-16-be"))
        if _SURE_BOUNDARY.match(text, following - 1):
            boundary = following
        else:
            boundary, end = _cluster_at(text, boundary, first, following, units_max)
            if first < boundary < following and _fits(text, boundary, end, units_max):
                earlier = stop - len(text[boundary:following].encode("utf-16-be")) // 2
                if len(pieces) + 1 + plain_count(octets, units_max, earlier) <= limit:
                    stop, following = earlier, boundary
        pieces.append(octets[2 * start : 2 * stop])
        start, first = stop, following
    pieces.append(octets[2 * start :])
    return pieces


def plain_cut(octets: bytes, units_max: int, first_units_max: int | None = None) -> list[bytes]:
    """Pieces of at most `units_max` code units, the first one of `first_units_max`, that spare surrogate pairs only.

    Octets that are no whole number of code units are taken all the same; the odd one comes last.
    """
    pieces: list[bytes] = []
    start = 0
    room = units_max if first_units_max is None else first_units_max
    while 2 * (start + room) < len(octets):
        stop = _plain_stop(octets, start, room)
        pieces.append(octets[2 * start : 2 * stop])
        start, room = stop, units_max
    pieces.append(octets[2 * start :])
    return pieces


def plain_count(octets: bytes, units_max: int, start: int = 0) -> int:
    """How many pieces `plain_cut` makes from code unit `start` on; at least 1."""
    count = 1
    while 2 * (start + units_max) < len(octets):
        start = _plain_stop(octets, start, units_max)
        count += 1
    return count


def _plain_stop(octets: bytes, start: int, units_max: int) -> int:
    """Where a segment from `start` ends when only surrogate pairs are spared; all in code units."""
    stop = start + units_max
    if octets[2 * stop] & 0xFC == 0xDC and octets[2 * stop - 2] & 0xFC == 0xD8:
        return stop - 1  # the next segment would begin with the second half of a pair
    return stop


def _cluster_at(text: str, boundary: int, first: int, position: int, units_max: int) -> tuple[int, int]:
    """Where the cluster begins and ends that reaches over `position`, or begins there. Its end is only looked for as
    far as a segment reaches: behind that it is too long in any case.

    `first` is where the segment begins, `boundary` ≤ `first` where the cluster begins that `first` is in. A cluster
    depends on its left context back to there and no further (`regex` itself would look back over the whole text).
    """
    anchor = position - 1
    while anchor > first and not _SURE_BOUNDARY.match(text, anchor - 1):
        anchor -= 1
    if anchor <= first:
        anchor = boundary
    for match in _CLUSTER.finditer(text[anchor : position + units_max + 1]):
        start, end = match.span()
        if anchor + end > position:
            return anchor + start, anchor + end
    return position, position


def _fits(text: str, start: int, end: int, units_max: int) -> bool:
    return 2 * (end - start) <= units_max or len(text[start:end].encode("utf-16-be")) <= 2 * units_max
