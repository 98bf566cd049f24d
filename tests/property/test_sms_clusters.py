"""Properties of UCS-2 cuts, against a slow and plain reading of Unicode's rules by the `regex` package."""

import itertools

import regex  # type: ignore[import-untyped] # the package ships no type information
from hypothesis import assume, example, given
from hypothesis import strategies as st

from shared.sms import ucs2

PARTS = [
    "a", " ", "\r\n", "\r", "\n", "Ж", "日", "한", "\u1112", "\u1161", "\u11ab", "é", "e\u0301", "\u0301", "😀", "👍🏽",
    "\U0001f3fd",
    "👨\u200d👩\u200d👧\u200d👦", "\u200d", "🇩🇪", "🇫", "1\ufe0f\u20e3", "❤\ufe0f", "©",
    "क\u094dष", "क", "\u094d", "ก\u0e33", "\u0600", "\u0d4e",
    "🏴\U000e0067\U000e0062\U000e007f", "\U000110bd", "א", "ب\u0651", "\u00ad",
]  # fmt: skip
texts = st.lists(st.one_of(st.sampled_from(PARTS), st.characters(exclude_categories=["Cs"])), max_size=120).map("".join)


def plain_cut(text: str, units_max: int) -> int:
    """How many segments a cut takes that only spares surrogate pairs."""
    count, used = 1, 0
    for character in text:
        units = 2 if character > "\uffff" else 1
        if used + units > units_max:
            count, used = count + 1, 0
        used += units
    return count


def boundaries(text: str) -> set[int]:
    return {match.end() for match in regex.finditer(r"\X", text)} | {0}


@given(texts, st.sampled_from([66, 67]), st.sampled_from([1, 3, 40, 255]))
@example("\U0001f469\U0001f3fd\u200d\u2764\ufe0f\u200d\U0001f48b\u200d\U0001f468\U0001f3fb" * 100, 67, 255)
@example("e\u0301" * 200, 67, 255)
@example("a" + "\u0301" * 300, 67, 255)
def test_pieces_join_fit_and_cost_at_most_one_segment_more(text: str, units_max: int, segments_max: int) -> None:
    octets = ucs2.encode(text)
    assert octets is not None
    pieces = ucs2.cut(text, octets, units_max, segments_max)
    assert b"".join(pieces) == octets
    assert all(len(piece) <= 2 * units_max for piece in pieces)
    decoded = [piece.decode("utf-16-be") for piece in pieces]  # strict: a split pair would raise
    plain = plain_cut(text, units_max)
    assert plain <= len(pieces) <= plain + 1
    assert len(pieces) <= max(plain, segments_max)
    whole = boundaries(text)
    position = 0
    for piece in decoded[:-1]:
        position += len(piece)
        if position not in whole and len(pieces) < min(plain + 1, segments_max):
            start = max(boundary for boundary in whole if boundary < position)
            assert position - len(piece) >= start, "a cluster was cut with room to spare"


def clean_cut(text: str, units_max: int) -> int | None:
    """The fewest segments of all cuts that spare every cluster that fits one, found by trying them all."""
    whole = boundaries(text)
    inside_too_long = {
        position
        for start, end in itertools.pairwise(sorted(whole))
        if units(text[start:end]) > units_max
        for position in range(start, end)
    }
    fewest = {0: 0}
    for stop in sorted({*whole, *inside_too_long, len(text)} - {0}):
        reached = [count for start, count in fewest.items() if units(text[start:stop]) <= units_max]
        if reached:
            fewest[stop] = min(reached) + 1
    return fewest.get(len(text))


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=14).map("".join), st.integers(3, 8), st.integers(1, 20))
@example("Жa" + 4 * "\u0301" + 3 * "e\u0301", 3, 20)
def test_if_any_cut_within_the_limit_spares_all_clusters_so_does_ours(
    text: str, units_max: int, segments_max: int
) -> None:
    octets = ucs2.encode(text)
    assert octets is not None
    plain = plain_cut(text, units_max)
    fewest = clean_cut(text, units_max)
    assume(fewest is not None and fewest <= min(plain + 1, segments_max))
    position = 0
    whole = boundaries(text)
    for piece in ucs2.cut(text, octets, units_max, segments_max)[:-1]:
        position += len(piece.decode("utf-16-be"))
        start, end = max(b for b in whole if b <= position), min(b for b in whole if b >= position)
        assert units(text[start:end]) > units_max or position in whole


@given(texts)
def test_a_sure_boundary_is_one(text: str) -> None:
    whole = boundaries(text)
    for position in range(1, len(text)):
        if ucs2._SURE_BOUNDARY.match(text, position - 1):
            assert position in whole, (text[position - 1], text[position])


@given(st.characters(exclude_categories=["Cs"]), st.characters(exclude_categories=["Cs"]))
def test_a_sure_boundary_is_one_for_any_two_characters(left: str, right: str) -> None:
    if ucs2._SURE_BOUNDARY.match(left + right):
        assert boundaries(left + right) == {0, 1, 2}


@given(st.binary(max_size=140))
def test_any_octets_decode(octets: bytes) -> None:
    text = ucs2.decode([octets])
    assert text.encode("utf-16-be") is not None
