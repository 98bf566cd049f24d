"""Pure: opt-in replacement of characters outside an alphabet by ones inside it, each with its reason.

Only characters that do not fit are touched. What has no entry stays as it is, so the caller must look whether all of
the text fits afterwards. Look-alikes (Cyrillic and Greek letters of Latin shape) are a table of their own, used only
when asked: they change what a word is, not only how it looks.

A text is read as tokens: a letter with its combining marks, a digit with a fraction behind it, or one character. What
a token may become does not depend on the alphabet (`spellings`); which of it is taken does.
"""

import re
import unicodedata
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from functools import cache, lru_cache
from typing import Final, NamedTuple

from shared.sms.message import Change

_QUOTE: Final = "typographic quotation mark"
_DASH: Final = "typographic dash"
_SPACE: Final = "space of another width, or that does not break"
_INVISIBLE: Final = "invisible character"
_SYMBOL: Final = "symbol written out"
_LIGATURE: Final = "ligature or joined letter"
_ACCENT: Final = "letter without its accent"
_NEAREST: Final = "nearest Latin letter"
_CURRENCY: Final = "currency sign as its code"
_COMPATIBLE: Final = "plain form of the same character"
_COMPOSED: Final = "letter and mark as one character"
_LOOKALIKE: Final = "Latin letter of the same shape"
_GREEK_CAPITAL: Final = "Greek capital as GSM 7-bit has it"

_BY_REASON: Final[dict[str, dict[str, str]]] = {
    _QUOTE: {
        **dict.fromkeys("‘’‚‛′‵‹›ʼʻ`´", "'"),
        **dict.fromkeys("“”„‟″‶«»＂", '"'),
    },
    _DASH: dict.fromkeys("‐‑‒–—―−﹣－", "-"),
    _SPACE: dict.fromkeys(
        "\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "
    ),
    _INVISIBLE: {
        **dict.fromkeys("\u00ad\u034f\u180e\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\ufeff", ""),
        **dict.fromkeys(map(chr, range(0xFE00, 0xFE10)), ""),  # variation selectors
        **dict.fromkeys("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", ""),  # direction
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
        "°": "deg",
        "±": "+/-",
        "µ": "u",
        "≈": "~",
        "⇒": "=>",
        "⇐": "<=",
        "↔": "<->",
        "✓": "v",
        "✔": "v",
        "✗": "x",
        "✘": "x",
        "✕": "x",
        "✖": "x",
        "❤": "<3",
        "♥": "<3",
        **dict.fromkeys("★☆✭✩●○■□▪▫◦‣∙⁃", "*"),
    },
    _CURRENCY: {
        "₽": "RUB",
        "₹": "INR",
        "₺": "TRY",
        "₴": "UAH",
        "₸": "KZT",
        "₦": "NGN",
        "₩": "KRW",
        "₫": "VND",
        "₪": "ILS",
        "₱": "PHP",
        "₡": "CRC",
        "₲": "PYG",
        "₵": "GHS",
        "₭": "LAK",
        "₮": "MNT",
        "₼": "AZN",
        "₾": "GEL",
        "₿": "BTC",
        "฿": "THB",
        "৳": "BDT",
        "֏": "AMD",
        "៛": "KHR",
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
        "Ώ": "Ω",
    },
    _NEAREST: {
        "ə": "e",
        "Ə": "E",
        "ɛ": "e",
        "Ɛ": "E",
        "ɔ": "o",
        "Ɔ": "O",
        "ɓ": "b",
        "Ɓ": "B",
        "ɗ": "d",
        "Ɗ": "D",
        "ƙ": "k",
        "Ƙ": "K",
        "ƴ": "y",
        "Ƴ": "Y",
    },
}

_LATIN_WITH_MARKS: Final = (*range(0x00C0, 0x0250), *range(0x1E00, 0x1F00))

_CYRILLIC: Final = ("АВЕЅІӀЈКМНОРСТУХЗаеѕіӏјорсухԁԛԝһ", "ABESIIJKMHOPCTYX3aesiljopcyxdqwh")
_GREEK: Final = ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϲϳ", "ABEZHIKMNOPTYXcj")
_GREEK_SMALL: Final = ("αβγδεζηθικλμνξοπρσςτυφχψω", "ABΓΔEZHΘIKΛMNΞOΠPΣΣTYΦXΨΩ")
"""As Greeks write an SMS: in capitals, ten of which GSM 7-bit has, and the others look like Latin ones."""

_MARKABLE: Final = "A-Za-zÀ-ɏḀ-ỿͰ-ϿЀ-ӿ"
_MARKS: Final = "\u0300-\u036f"
_FRACTIONS: Final = "¼½¾⅐-⅞"
_TOKEN: Final = re.compile(f"[{_MARKABLE}][{_MARKS}]+|[0-9][{_FRACTIONS}]|.", re.DOTALL)
_MARK: Final = re.compile(f"[{_MARKS}]")

_ACCENTED_LOOKALIKES: Final = (*range(0x0386, 0x03D0), *range(0x0400, 0x0460), *range(0x04D0, 0x0500))


class Spelling(NamedTuple):
    """What may stand for a token, and why; the token itself has no reason."""

    text: str
    reason: str


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
    """Character → (letter of GSM 7-bit, reason) for Cyrillic and Greek letters that look the same but for an accent,
    and for small Greek letters, whose capitals do."""
    pairs = dict((*zip(*_CYRILLIC, strict=True), *zip(*_GREEK, strict=True), *zip(*_GREEK_SMALL, strict=True)))
    for code in _ACCENTED_LOOKALIKES:
        bare = unicodedata.normalize("NFD", chr(code))[0]
        if bare in pairs and bare != chr(code) and chr(code) not in table():
            pairs[chr(code)] = pairs[bare]
    return {character: (latin, _LOOKALIKE if latin.isascii() else _GREEK_CAPITAL) for character, latin in pairs.items()}


@cache
def _entries(with_lookalikes: bool) -> dict[str, tuple[str, str]]:
    return {**table(), **lookalikes()} if with_lookalikes else table()


@cache
def _dropped() -> re.Pattern[str]:
    gone = "".join(character for character, (replacement, _) in table().items() if not replacement)
    return re.compile(f"[{re.escape(gone)}{_MARKS}]+")


def surely_left(text: str) -> int:
    """How many characters are left of `text` at least, whatever is replaced: quickly, for judging its length."""
    return len(_dropped().sub("", text))


def tokens(text: str) -> list[str]:
    """`text` in the pieces that are replaced as one."""
    return _TOKEN.findall(text)


@lru_cache(maxsize=8192)
def spellings(token: str, with_lookalikes: bool) -> tuple[Spelling, ...]:
    """What may stand for `token`, best first: itself, then what changes it less before what changes it more."""
    found = {token: ""}
    entries = _entries(with_lookalikes)
    if token[0].isdigit() and len(token) > 1:  # one and a half must not become eleven halves
        found.setdefault(f"{token[0]} {spellings(token[1], with_lookalikes)[-1].text}", _SYMBOL)
    elif len(token) > 1:
        composed = unicodedata.normalize("NFC", token)
        found.setdefault(composed, _COMPOSED)
        bare = _MARK.sub("", composed)
        found.setdefault(bare, _ACCENT)
        found.setdefault(_replaced(bare, entries), _LOOKALIKE if bare in lookalikes() else _ACCENT)
    elif token in entries:
        found.setdefault(*entries[token])
    else:
        plain = unicodedata.normalize("NFKC", token)
        found.setdefault(plain, _COMPATIBLE)
        found.setdefault(_replaced(plain, entries), _COMPATIBLE)
    return tuple(Spelling(text, reason) for text, reason in found.items())


def _replaced(text: str, entries: dict[str, tuple[str, str]]) -> str:
    return "".join(entries.get(character, (character, ""))[0] for character in text)


def transliterate(text: str, kept: AbstractSet[str], *, with_lookalikes: bool) -> tuple[str, tuple[Change, ...]]:
    """`text` with what is not in `kept` replaced where something in it may stand for it, and what was replaced.

    A letter followed by combining marks is taken as one: as its composed form where that is in `kept`, else without
    the marks. Positions are those of `text`.
    """
    found = tokens(text)
    chosen = choices(found, kept, with_lookalikes=with_lookalikes)
    if all(not spelling.reason for spelling in chosen.values()):
        return text, ()
    changes: list[Change] = []
    position = 0
    for token in found:
        spelling = chosen[token]
        if spelling.reason:
            changes.append(Change(position, token, spelling.text, spelling.reason))
        position += len(token)
    return "".join([chosen[token].text for token in found]), tuple(changes)


def choices(found: Iterable[str], kept: AbstractSet[str], *, with_lookalikes: bool) -> dict[str, Spelling]:
    """What is taken for each different token; itself where nothing in `kept` may stand for it."""
    return {token: _chosen(token, kept, with_lookalikes) for token in set(found)}


def _chosen(token: str, kept: AbstractSet[str], with_lookalikes: bool) -> Spelling:
    if token in kept:
        return Spelling(token, "")
    found = spellings(token, with_lookalikes)
    return next((spelling for spelling in found if kept >= set(spelling.text)), found[0])
