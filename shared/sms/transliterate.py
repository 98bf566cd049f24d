"""Pure: opt-in replacement of characters outside an alphabet by ones inside it, each with its reason.

Only characters that do not fit are touched. What has no entry stays as it is, so the caller must look whether all of
the text fits afterwards. Look-alikes (Cyrillic and Greek letters of Latin shape) are a table of their own, used only
when asked: they change what a word is, not only how it looks.
"""

import re
import unicodedata
from functools import cache
from typing import Final

from shared.sms.message import Change

_QUOTE: Final = "typographic quotation mark"
_DASH: Final = "typographic dash"
_SPACE: Final = "space of another width, or that does not break"
_INVISIBLE: Final = "invisible character"
_SYMBOL: Final = "symbol written out"
_LIGATURE: Final = "ligature or joined letter"
_ACCENT: Final = "letter without its accent"
_COMPOSED: Final = "letter and mark as one character"
_LOOKALIKE: Final = "Latin letter of the same shape"

_BY_REASON: Final[dict[str, dict[str, str]]] = {
    _QUOTE: {
        **dict.fromkeys("‘’‚‛′‵‹›ʼʻ`´", "'"),
        **dict.fromkeys("“”„‟″‶«»＂", '"'),
    },
    _DASH: dict.fromkeys("‐‑‒–—―−⁃﹣－", "-"),
    _SPACE: dict.fromkeys(
        "\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "
    ),
    _INVISIBLE: {
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff\ufe0e\ufe0f", ""),
        "\u2028": "\n",
        "\u2029": "\n",
    },
    _SYMBOL: {
        "…": "...",
        "•": "*",
        "·": ".",
        "‧": ".",
        "™": "TM",
        "©": "(C)",
        "®": "(R)",
        "№": "No",
        "×": "x",
        "÷": "/",
        "⁄": "/",
        "∕": "/",
        "½": "1/2",
        "¼": "1/4",
        "¾": "3/4",
        "¹": "1",
        "²": "2",
        "³": "3",
        "≤": "<=",
        "≥": ">=",
        "≠": "!=",
        "→": "->",
        "←": "<-",
        "†": "+",
        "‰": "o/oo",
        "¦": "|",
        "¢": "c",
        "ª": "a",
        "º": "o",
    },
    _LIGATURE: {
        "œ": "oe",
        "Œ": "OE",
        "ĳ": "ij",
        "Ĳ": "IJ",
        "ﬀ": "ff",
        "ﬁ": "fi",
        "ﬂ": "fl",
        "ﬃ": "ffi",
        "ﬄ": "ffl",
        "ﬅ": "st",
        "ﬆ": "st",
        "ẞ": "SS",
        "þ": "th",
        "Þ": "Th",
        "ǆ": "dz",
        "ǳ": "dz",
        "ǉ": "lj",
        "ǌ": "nj",
    },
    _ACCENT: {
        "ł": "l",
        "Ł": "L",
        "đ": "d",
        "Đ": "D",
        "ð": "d",
        "Ð": "D",
        "ħ": "h",
        "Ħ": "H",
        "ŧ": "t",
        "Ŧ": "T",
        "ı": "i",
        "ĸ": "k",
        "ŋ": "n",
        "Ŋ": "N",
        "ŀ": "l",
        "Ŀ": "L",
        "ſ": "s",
        "ƒ": "f",
        "ǿ": "ø",
        "Ǿ": "Ø",
        "ǽ": "æ",
        "Ǽ": "Æ",
    },
}

_LATIN_WITH_MARKS: Final = (*range(0x00C0, 0x0250), *range(0x1E00, 0x1F00))

_CYRILLIC: Final = ("АВЕЅІЈКМНОРСТУХЗаеѕіјорсухԁԛԝһ", "ABESIJKMHOPCTYX3aesijopcyxdqwh")
_GREEK: Final = ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧοϲϳ", "ABEZHIKMNOPTYXocj")

_MARKED: Final = re.compile("[A-Za-zÀ-ɏ][\u0300-\u036f]+")
_MARK: Final = re.compile("[\u0300-\u036f]")


@cache
def table() -> dict[str, tuple[str, str]]:
    """Character → (replacement, reason), without look-alikes."""
    entries: dict[str, tuple[str, str]] = {}
    for code in _LATIN_WITH_MARKS:
        decomposed = unicodedata.normalize("NFD", chr(code))
        if len(decomposed) > 1 and decomposed[0].isascii():
            entries[chr(code)] = (decomposed[0], _ACCENT)
    for reason, replacements in _BY_REASON.items():
        entries.update({character: (replacement, reason) for character, replacement in replacements.items()})
    return entries


@cache
def lookalikes() -> dict[str, tuple[str, str]]:
    """Character → (Latin letter, reason) for Cyrillic and Greek letters that look the same."""
    pairs = (*zip(*_CYRILLIC, strict=True), *zip(*_GREEK, strict=True))
    return {character: (latin, _LOOKALIKE) for character, latin in pairs}


def transliterate(text: str, kept: frozenset[str], *, with_lookalikes: bool) -> tuple[str, tuple[Change, ...]]:
    """`text` with what is not in `kept` replaced where there is an entry, and the list of what was replaced.

    A letter followed by combining marks is taken as one: as its composed form where that is in `kept`, else without
    the marks. Positions are those of `text`.
    """
    entries = {**table(), **lookalikes()} if with_lookalikes else table()
    changes: list[Change] = []
    pieces: list[str] = []
    position = 0
    while position < len(text):
        marked = _MARKED.match(text, position)
        original = marked[0] if marked else text[position]
        if marked is not None:
            replacement, reason = _composed(original, kept, entries)
        elif original in kept:
            replacement, reason = original, ""
        else:
            replacement, reason = entries.get(original, (original, ""))
        if replacement != original:
            changes.append(Change(position, original, replacement, reason))
        pieces.append(replacement)
        position += len(original)
    return "".join(pieces), tuple(changes)


def _composed(run: str, kept: frozenset[str], entries: dict[str, tuple[str, str]]) -> tuple[str, str]:
    composed = unicodedata.normalize("NFC", run)
    if kept.issuperset(composed):
        return composed, _COMPOSED
    bare = "".join(entries.get(character, (character, ""))[0] for character in _MARK.sub("", composed))
    return bare, _ACCENT
