"""Where UCS-2 text is cut."""

import pytest

from shared.sms import ucs2

FAMILY = "👨\u200d👩\u200d👧\u200d👦"  # 11 code units


def pieces(text: str, units_max: int = 67, segments_max: int = 255) -> list[str]:
    octets = ucs2.encode(text)
    assert octets is not None
    return [piece.decode("utf-16-be") for piece in ucs2.cut(text, octets, units_max, segments_max)]


def test_a_surrogate_pair_is_never_split() -> None:
    assert pieces("Ж" * 66 + "😀" + "Ж" * 10) == ["Ж" * 66, "😀" + "Ж" * 10]
    assert pieces("Ж" * 65 + "😀" + "Ж" * 10) == ["Ж" * 65 + "😀", "Ж" * 10]


@pytest.mark.parametrize(
    "cluster",
    [
        FAMILY,
        "👍🏽",
        "🇩🇪",
        "e\u0301\u0327",
        "1\ufe0f\u20e3",
        "각".encode().decode(),
        "ก\u0e33",
        "\r\n",
        "🏴\U000e0067\U000e007f",
    ],
)
def test_a_cluster_stays_whole(cluster: str) -> None:
    for before in range(55, 68):
        text = "Ж" * before + cluster + "Ж" * 40
        cut = pieces(text)
        assert "".join(cut) == text
        assert any(cluster in piece for piece in cut), before


@pytest.mark.parametrize("pair", ["\u1112하", "\ua960가", "\u06001", "\U000110bda", "\r\n", "🇩🇪", "👍🏽", "e\u0301"])
def test_two_characters_that_may_be_one_cluster_are_not_taken_for_a_sure_boundary(pair: str) -> None:
    assert pieces("Ж" * 66 + pair + "Ж" * 10, units_max=67)[1].startswith(pair)


def test_flags_are_paired_from_where_their_run_begins() -> None:
    text = "Ж" * 61 + "🇩🇪🇫🇷🇪🇸🇮🇹"
    assert pieces(text) == ["Ж" * 61 + "🇩🇪", "🇫🇷🇪🇸🇮🇹"]


def test_a_cluster_over_a_segment_is_cut_between_characters() -> None:
    text = "a" + "\u0301" * 100
    assert [len(piece) for piece in pieces(text)] == [67, 34]


def test_a_cluster_over_a_segment_does_not_spend_what_another_needs() -> None:
    """Moving its beginning to the next segment would save nothing, and leave no segment to spare the family."""
    text = "Ж" * 60 + "a" + "\u0301" * 70 + FAMILY * 6
    cut = pieces(text)
    assert cut[0] == "Ж" * 60 + "a" + "\u0301" * 6
    assert sum(piece.count(FAMILY) for piece in cut) == 6


def test_sparing_clusters_costs_one_segment_at_most() -> None:
    cluster = "👩🏽\u200d❤\ufe0f\u200d💋\u200d👨🏻"  # 15 units: four in a segment would waste 7 of 67
    for count in (10, 40, 100, 200):
        text = cluster * count
        units = 15 * count
        plain = len(pieces(text, segments_max=0))
        assert plain <= -(-units // 66)
        assert plain <= len(pieces(text)) <= plain + 1


def test_no_cluster_is_spared_at_the_price_of_too_many_segments() -> None:
    text = "Ж" * 66 + "e\u0301" + "Ж" * 66  # 134 units: two segments exactly, if the cluster is cut
    assert len(pieces(text, segments_max=2)) == 2
    assert len(pieces(text, segments_max=3)) == 3


def test_lone_surrogates_have_no_octets_and_bad_octets_have_a_text() -> None:
    assert ucs2.encode("a\ud800") is None
    assert ucs2.decode([b"\x00a\xd8\x00"]) == "a\ufffd"
    assert ucs2.decode([b"\x00a\x04"]) == "a\ufffd"
