"""Texts made to be slow: none may hold up a process whose heartbeats are due. Bounds are of CPU time, and generous."""

import time

import pytest

from shared.sms.message import ConnectorProfile, Encoded, EncodeRequest, NotEncodable
from shared.sms.national_tables import LANGUAGES
from shared.sms.preview import preview
from shared.sms.segmentation import encode_message

BODY_MAX = 65_536
CPU_S_MAX = 1.0

PLAIN = ConnectorProfile()
EVERY_TABLE = ConnectorProfile(national_tables=tuple(LANGUAGES))
PAYLOAD_PACKED = ConnectorProfile(long_message="payload", gsm7_packed=True)

UNITS = {
    "letters": "a",
    "extension": "{",
    "extension and letters": "a{",
    "an extension that hindi has elsewhere": "{\u0915",
    "flags": "\U0001f1e9",
    "combining marks": "\u0301",
    "letters with marks": "e\u0301",
    "zero width joiners": "\u200d",
    "families": "\U0001f468\u200d",
    "an endless family": "\U0001f468\u0301\u200d",
    "hangul leads": "\u1100",
    "devanagari conjuncts": "\u0915\u094d",
    "prepended marks": "\u0600",
    "curly quotes": "\u201c",
    "quotes and devanagari": "\u201c\u0915",
    "cyrillic": "Ж",
    "ligatures that grow": "\ufdfa",
    "half of a pair at the end": "\U0001f600",
}
MANY_LETTERS = "".join(map(chr, range(0xC0, 0x250))) * 200
MANY_MARKS = "".join(f"e{chr(0x300 + n % 100)}{chr(0x300 + n // 100)}" for n in range(6_000)) * 4
MANY_CHARACTERS = "".join(map(chr, [*range(0x20, 0xD800), *range(0xE000, 0x10000)]))


def texts() -> dict[str, str]:
    repeated = {name: (unit * (BODY_MAX // len(unit) + 1))[:BODY_MAX] for name, unit in UNITS.items()}
    several = {"many letters": MANY_LETTERS, "many marks": MANY_MARKS, "many characters": MANY_CHARACTERS}
    return repeated | {name: text[:BODY_MAX] for name, text in several.items()}


def cpu_s(request: EncodeRequest, profile: ConnectorProfile) -> tuple[float, Encoded | NotEncodable]:
    started = time.process_time()
    result = encode_message(request, profile)
    return time.process_time() - started, result


@pytest.mark.parametrize("profile", [PLAIN, EVERY_TABLE, PAYLOAD_PACKED], ids=["plain", "tables", "payload"])
@pytest.mark.parametrize("name", texts())
def test_the_longest_text_is_refused_at_once(name: str, profile: ConnectorProfile) -> None:
    request = EncodeRequest("m1", "4915", text=texts()[name], transliterate=True, lookalikes=True, max_segments=255)
    spent_s, result = cpu_s(request, profile)
    assert spent_s < CPU_S_MAX
    if isinstance(result, NotEncodable):
        assert result.reason == "text_too_long"
        assert "255 are allowed" in result.detail
    else:
        assert result.changes, "only a text of which most is dropped can fit"


@pytest.mark.parametrize("transliterate", [False, True])
@pytest.mark.parametrize("profile", [PLAIN, EVERY_TABLE, PAYLOAD_PACKED], ids=["plain", "tables", "payload"])
@pytest.mark.parametrize("name", texts())
def test_the_longest_text_that_may_be_sent_takes_no_longer(
    name: str, profile: ConnectorProfile, transliterate: bool
) -> None:
    """255 segments of UCS-2 hold 17,085 code units, of GSM 7-bit more: both are tried, near their ends."""
    for units in (16_800, 38_000):
        text = texts()[name].encode("utf-16-le")[: 2 * units].decode("utf-16-le", "ignore")
        request = EncodeRequest("m1", "4915", text=text, transliterate=transliterate, lookalikes=True, max_segments=255)
        spent_s, result = cpu_s(request, profile)
        assert spent_s < CPU_S_MAX
        assert isinstance(result, Encoded) or result.reason == "text_too_long"


def test_an_accepted_hostile_text_is_whole() -> None:
    for name in ("flags", "letters with marks", "devanagari conjuncts", "hangul leads", "families"):
        text = texts()[name].encode("utf-16-le")[:33_600].decode("utf-16-le", "ignore")
        result = encode_message(EncodeRequest("m1", "4915", text=text, max_segments=255), PLAIN)
        assert isinstance(result, Encoded)
        assert b"".join(segment.octets[6:] for segment in result.segments).decode("utf-16-be") == text


@pytest.mark.parametrize("name", texts())
def test_a_preview_takes_a_few_times_as_long(name: str) -> None:
    started = time.process_time()
    preview(EncodeRequest("m1", "4915", text=texts()[name], max_segments=255), EVERY_TABLE)
    assert time.process_time() - started < 3 * CPU_S_MAX


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("a" * 65_536, "needs 429 segments in gsm7, 40 are allowed"),
        ("Ж" * 65_536, "needs 979 segments in ucs2, 40 are allowed"),
        ("\U0001f1e9" * 65_536, "needs 1986 segments in ucs2, 40 are allowed"),
    ],
)
def test_a_refusal_tells_how_many_segments_it_would_take(text: str, detail: str) -> None:
    result = encode_message(EncodeRequest("m1", "4915", text=text), EVERY_TABLE)
    assert isinstance(result, NotEncodable)
    assert result.detail == detail


def test_a_forced_alphabet_has_its_least_count_in_the_refusal() -> None:
    for encoding, text, least in (("gsm7", "a\u201c" * 20_000, 262), ("latin1", "a\u201c" * 20_000, 299)):
        request = EncodeRequest("m1", "4915", text=text, encoding=encoding, transliterate=True)  # type: ignore[arg-type] # words
        result = encode_message(request, PLAIN)
        assert isinstance(result, NotEncodable)
        assert (result.reason, result.field) == ("text_too_long", "text")
        assert f"at least {least} segments" in result.detail


def test_characters_that_are_dropped_do_not_count_against_a_text() -> None:
    text = "a" + "\u200b" * 60_000 + "b"
    result = encode_message(EncodeRequest("m1", "4915", text=text, transliterate=True), PLAIN)
    assert isinstance(result, Encoded)
    assert [segment.octets for segment in result.segments] == [b"ab"]
