"""The boundary corpus: how many segments a text of each length takes, in every alphabet and every way of sending.

The numbers are written out and follow from 3GPP TS 23.040, 9.2.3.24: 140 octets less the header, in septets of seven
bits, code units of two octets, or octets. Each text is also read back from its segments, as a handset would.
"""

from itertools import product
from typing import Literal, get_args

import pytest

from shared.sms import gsm7, ucs2, udh
from shared.sms.message import ConnectorProfile, Encoded, EncodeRequest, EncodingChoice, LongMessage
from shared.sms.national_tables import LANGUAGES, LOCKING_SHIFT, SINGLE_SHIFT, UNASSIGNED
from shared.sms.segmentation import encode_message
from shared.sms.tlv_tags import MESSAGE_PAYLOAD

Counts = dict[int, int]
"""Length of a text, in repetitions of its unit → segments."""

WAYS: tuple[LongMessage, ...] = ("udh8", "udh16", "sar", "payload")

# unit, encoding, with an 8-bit reference (also sar and payload), with a 16-bit reference
CORPUS: dict[str, tuple[str, EncodingChoice, Counts, Counts]] = {
    "GSM 7-bit, one septet a character": (
        "a", "auto",
        {0: 1, 1: 1, 69: 1, 70: 1, 71: 1, 133: 1, 134: 1, 135: 1, 152: 1, 153: 1, 154: 1, 159: 1, 160: 1, 161: 2,
         305: 2, 306: 2, 307: 3, 458: 3, 459: 3, 460: 4, 6120: 40},
        {0: 1, 1: 1, 152: 1, 153: 1, 154: 1, 159: 1, 160: 1, 161: 2, 303: 2, 304: 2, 305: 3, 306: 3, 307: 3, 456: 3,
         457: 4, 6080: 40},
    ),
    "GSM 7-bit, two septets a character, which never part": (
        "€", "auto",
        {1: 1, 76: 1, 77: 1, 79: 1, 80: 1, 81: 2, 152: 2, 153: 3, 228: 3, 229: 4},
        {1: 1, 76: 1, 77: 1, 79: 1, 80: 1, 81: 2, 152: 2, 153: 3, 228: 3, 229: 4},
    ),
    "UCS-2, left to right": (
        "Ж", "auto",
        {1: 1, 66: 1, 67: 1, 69: 1, 70: 1, 71: 2, 133: 2, 134: 2, 135: 3, 152: 3, 160: 3, 200: 3, 201: 3, 202: 4},
        {1: 1, 66: 1, 67: 1, 69: 1, 70: 1, 71: 2, 131: 2, 132: 2, 133: 3, 134: 3, 135: 3, 198: 3, 199: 4},
    ),
    "UCS-2, right to left: Arabic": (
        "ع", "auto",
        {1: 1, 69: 1, 70: 1, 71: 2, 133: 2, 134: 2, 135: 3, 201: 3, 202: 4},
        {1: 1, 69: 1, 70: 1, 71: 2, 132: 2, 133: 3, 134: 3, 198: 3, 199: 4},
    ),
    "UCS-2, right to left: Hebrew letters with points, of two units": (
        "בּ", "auto",
        {1: 1, 35: 1, 36: 2, 66: 2, 67: 3, 99: 3, 100: 4},
        {1: 1, 35: 1, 36: 2, 66: 2, 67: 3, 99: 3, 100: 4},
    ),
    "UCS-2, surrogate pairs": (
        "😀", "auto",
        {1: 1, 34: 1, 35: 1, 36: 2, 66: 2, 67: 3, 99: 3, 100: 4},
        {1: 1, 34: 1, 35: 1, 36: 2, 66: 2, 67: 3, 99: 3, 100: 4},
    ),
    "UCS-2, clusters of four units": (
        "🇩🇪", "auto",
        {1: 1, 17: 1, 18: 2, 32: 2, 33: 3, 48: 3, 49: 4},
        {1: 1, 17: 1, 18: 2, 32: 2, 33: 3, 48: 3, 49: 4},
    ),
    "UCS-2 where it was asked for": (
        "a", "ucs2",
        {69: 1, 70: 1, 71: 2, 133: 2, 134: 2, 135: 3},
        {69: 1, 70: 1, 71: 2, 131: 2, 132: 2, 133: 3},
    ),
    "Latin-1": (
        "ê", "latin1",
        {1: 1, 133: 1, 134: 1, 135: 1, 139: 1, 140: 1, 141: 2, 267: 2, 268: 2, 269: 3, 402: 3, 403: 4},
        {1: 1, 133: 1, 134: 1, 139: 1, 140: 1, 141: 2, 265: 2, 266: 2, 267: 3, 399: 3, 400: 4},
    ),
}  # fmt: skip


def encoded(text: str, profile: ConnectorProfile, encoding: EncodingChoice = "auto") -> Encoded:
    result = encode_message(EncodeRequest("m1", "4915112345678", text=text, encoding=encoding), profile)
    assert isinstance(result, Encoded), result
    return result


def bodies(result: Encoded, *, packed: bool) -> list[tuple[udh.UserDataHeader, bytes]]:
    """Header and octets of each segment, as a handset or SMSC takes them apart; septets unpacked."""
    found = []
    for segment in result.segments:
        octets = dict(segment.tlvs).get(MESSAGE_PAYLOAD, segment.octets)
        head = udh.parse(octets) if result.esm_class & 0x40 else udh.UserDataHeader(length=0)
        body = octets[head.length :]
        if packed and result.alphabet == "gsm7":
            body = gsm7.unpack(body, gsm7.fill_bits_after(head.length))
        found.append((head, body))
    return found


def read_back(result: Encoded, *, packed: bool = False) -> str:
    text = ""
    for head, body in bodies(result, packed=packed):
        match result.alphabet:
            case "gsm7":
                text += gsm7.alphabet(head.locking_shift, head.single_shift).decode(body)
            case "ucs2":
                text += ucs2.decode([body])
            case _:
                text += body.decode("latin-1")
    return text


def octets_on_the_air(result: Encoded, *, packed: bool) -> list[int]:
    """What each short message holds of its 140 octets, septets counted packed."""
    held = []
    for head, body in bodies(result, packed=packed):
        bits = gsm7.fill_bits_after(head.length) + 7 * len(body) if result.alphabet == "gsm7" else 8 * len(body)
        held.append(head.length + -(-bits // 8))
    return held


PACKED: dict[str, Counts] = {"GSM 7-bit, two septets a character, which never part": {152: 3, 228: 4}}
"""152 septets behind six octets would leave seven bits, which read as one more character: a segment has 150."""


@pytest.mark.parametrize("name", CORPUS)
def test_the_corpus(name: str) -> None:
    unit, encoding, narrow, wide = CORPUS[name]
    for way, packed in product(WAYS, (False, True)):
        profile = ConnectorProfile(long_message=way, gsm7_packed=packed)
        counts = wide if way == "udh16" else narrow | (PACKED.get(name, {}) if packed else {})
        for length, segments in counts.items():
            result = encoded(unit * length, profile, encoding)
            if way == "payload" and result.alphabet == "ucs2" and segments > 1:  # the SMSC spares no clusters
                segments = len(ucs2.plain_cut((unit * length).encode("utf-16-be"), 67))
            assert (length, way, packed, result.air_segments) == (length, way, packed, segments)
            assert len(result.segments) == (1 if way == "payload" else segments)
            assert read_back(result, packed=packed) == unit * length
            if way in ("udh8", "udh16"):
                assert max(octets_on_the_air(result, packed=packed)) <= 140


# Each extension character at each place around the end of a segment

EXTENSION = "\f^{}\\[~]|€"


@pytest.mark.parametrize("character", EXTENSION)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("long_message", "piece"), [("udh8", 153), ("udh16", 152)])
def test_an_extension_character_at_the_end_of_a_segment(
    long_message: LongMessage, piece: int, packed: bool, character: str
) -> None:
    """Its two septets stay together: the segment that the escape would end is one septet shorter, packed by two."""
    profile = ConnectorProfile(long_message=long_message, gsm7_packed=packed)
    for before in range(150, 161):
        text = "a" * before + character + "b" * 40
        result = encoded(text, profile)
        first = piece - (2 if packed else 1) if before == piece - 1 else piece
        assert [len(body) for _, body in bodies(result, packed=packed)] == [first, before + 42 - first]
        assert read_back(result, packed=packed) == text


@pytest.mark.parametrize("character", EXTENSION)
@pytest.mark.parametrize("packed", [False, True])
def test_an_extension_character_at_the_end_of_a_message(character: str, packed: bool) -> None:
    """It is the last of 160 septets, or what makes 161 of them."""
    profile = ConnectorProfile(gsm7_packed=packed)
    for before in range(152, 161):
        result = encoded("a" * before + character, profile)
        assert (before, result.air_segments) == (before, 1 if before <= 158 else 2)
        assert read_back(result, packed=packed) == "a" * before + character


# National language tables: one element costs 3 octets and the length octet, two cost 6


Kind = Literal["single", "locking", "both"]


def one_of(table: str, *, outside: str) -> str | None:
    """The first character of a table that is not `outside`; None when there is none."""
    return next((c for c in table if c not in outside and c.isprintable() and c != UNASSIGNED), None)


def needing(language: int, kind: Kind) -> tuple[str, str] | None:
    """How a text begins (with a character of two septets, or not at all) and goes on (with characters of one) that
    takes the fewest segments with just these tables; None where the tables make no such text."""
    base, shifted = LOCKING_SHIFT[0], SINGLE_SHIFT[0]
    locking, single = LOCKING_SHIFT.get(language, ""), SINGLE_SHIFT[language]
    match kind:
        case "single":
            begin, unit = one_of(single, outside=base + shifted), one_of(base, outside=locking + single)
        case "locking":
            begin, unit = "", one_of(locking, outside=base + shifted)
        case "both":
            begin, unit = one_of(single, outside=locking + shifted), one_of(locking, outside=base + shifted)
    return None if begin is None or unit is None else (begin, unit)


CASES = [
    (word, kind, both) for word in LANGUAGES for kind in get_args(Kind) if (both := needing(LANGUAGES[word], kind))
]


def test_which_languages_have_no_such_text() -> None:
    """Spanish has no locking table, and that of Turkish holds all that its single shift table does."""
    missing = {(word, kind) for word in LANGUAGES for kind in get_args(Kind)} - {
        (word, kind) for word, kind, _ in CASES
    }
    assert missing == {("spanish", "locking"), ("spanish", "both"), ("turkish", "both")}


NATIONAL: dict[tuple[Kind, LongMessage], Counts] = {
    ("single", "udh8"): {154: 1, 155: 1, 156: 2, 297: 2, 298: 2, 299: 3, 447: 3, 448: 4},
    ("single", "udh16"): {154: 1, 155: 1, 156: 2, 295: 2, 296: 2, 297: 3, 444: 3, 445: 4},
    ("locking", "udh8"): {154: 1, 155: 1, 156: 2, 297: 2, 298: 2, 299: 3, 447: 3, 448: 4},
    ("locking", "udh16"): {154: 1, 155: 1, 156: 2, 295: 2, 296: 2, 297: 3, 444: 3, 445: 4},
    ("both", "udh8"): {151: 1, 152: 1, 153: 2, 291: 2, 292: 2, 293: 3, 438: 3, 439: 4},
    ("both", "udh16"): {151: 1, 152: 1, 153: 2, 289: 2, 290: 2, 291: 3, 435: 3, 436: 4},
}
"""Tables and reference → septets → segments. 155, 149 and 148 septets, with both elements 152, 146 and 145."""


@pytest.mark.parametrize("long_message", ["udh8", "udh16"])
@pytest.mark.parametrize(("language", "kind", "characters"), CASES)
def test_national_tables(language: str, kind: Kind, characters: tuple[str, str], long_message: LongMessage) -> None:
    number = LANGUAGES[language]
    begin, unit = characters
    for packed, (septets, segments) in product((False, True), NATIONAL[kind, long_message].items()):
        text = begin + unit * (septets - 2 * len(begin))
        profile = ConnectorProfile(long_message=long_message, gsm7_packed=packed, national_tables=(language,))
        result = encoded(text, profile)
        assert (septets, packed, result.alphabet, result.air_segments) == (septets, packed, "gsm7", segments)
        for head, _ in bodies(result, packed=packed):
            assert head.single_shift == (0 if kind == "locking" else number)
            assert head.locking_shift == (0 if kind == "single" else number)
        assert read_back(result, packed=packed) == text
        assert max(octets_on_the_air(result, packed=packed)) <= 140


# Right to left: direction is a matter of the handset, and nothing is reordered or dropped


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("مرحبا، رمز التحقق الخاص بك هو 123456. لا تشاركه مع أي شخص.", 1),
        ("שלום, קוד האימות שלך הוא \u2066123456\u2069. אל תמסור אותו לאיש.", 1),
        ("العَرَبِيَّةُ " * 5, 1),  # 14 units each, of which 6 are marks
        ("العَرَبِيَّةُ " * 10, 3),  # 150 units
        ("\u202bطلبك ABC-12 في الطريق\u202c\u200f " * 3, 2),
    ],
)  # fmt: skip
def test_right_to_left_text(text: str, segments: int) -> None:
    result = encoded(text, ConnectorProfile())
    assert (result.alphabet, result.air_segments) == ("ucs2", segments)
    assert read_back(result) == text
    assert b"".join(body for _, body in bodies(result, packed=False)) == text.encode("utf-16-be")


def test_a_letter_keeps_its_marks() -> None:
    """A point of Hebrew or a sign of Arabic does not begin a segment: it would stand there alone."""
    for before in range(60, 72):
        for letter in ("בּ", "مَّ"):
            text = "א" * before + letter + "ב" * 20
            for _, body in bodies(encoded(text, ConnectorProfile()), packed=False):
                assert ucs2.decode([body])[0] not in letter[1:]
