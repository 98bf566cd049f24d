"""Which word a receipt comes to."""

import re

import pytest

from shared.sms.receipt_text import parse_receipt
from shared.sms.receipt_words import FINAL_WORDS, SPELLINGS, STATE_WORDS
from tests.architecture.modules import ROOT


def _word(stat: str, state: int | None, receipt_map: dict[str, str] | None = None) -> str:
    tlvs = [] if state is None else [(0x0427, bytes((state,)))]
    return parse_receipt(f"id:1 stat:{stat}".encode() if stat else b"", tlvs, receipt_map=receipt_map).word


@pytest.mark.parametrize("final", sorted(FINAL_WORDS))
@pytest.mark.parametrize("state", [None, 0, 1, 6, 7, 200])
def test_a_final_word_of_the_text_wins_over_a_state_that_is_not(final: str, state: int | None) -> None:
    assert _word(final, state) == final


@pytest.mark.parametrize("stat", ["", "ENROUTE", "ACCEPTD", "UNKNOWN", "WHATEVER"])
@pytest.mark.parametrize("state", [2, 3, 4, 5, 8, 9])
def test_a_final_state_wins_over_a_word_that_is_not(state: int, stat: str) -> None:
    assert _word(stat, state) == STATE_WORDS[state]


def test_of_two_of_a_kind_the_parameter_counts() -> None:
    assert _word("UNDELIV", 2) == "DELIVRD"
    assert _word("ACCEPTD", 1) == "ENROUTE"
    assert _word("ACCEPTD", 7) == "ACCEPTD"


@pytest.mark.parametrize(("stat", "state"), [("SKIPPED", None), ("skipped", 0), ("", 9), ("ENROUTE", 9)])
def test_skipped_of_smpp_5_is_final(stat: str, state: int | None) -> None:
    assert _word(stat, state) == "SKIPPED"


@pytest.mark.parametrize("stat", ["FAILED", "failed", "SYSERR", "NOROUTE", "BARRED", "BLIST"])
def test_words_like_failed_are_failures_without_a_map(stat: str) -> None:
    assert _word(stat, None) == "UNDELIV"
    assert _word(stat, 1) == "UNDELIV"
    assert _word(stat, None, {stat.upper(): "EXPIRED"}) == "EXPIRED"


def test_the_map_reaches_the_parameter_and_spellings() -> None:
    accepted = {"ACCEPTD": "DELIVRD"}
    assert _word("", 6, accepted) == "DELIVRD"
    assert _word("ACCEPTD", 6, accepted) == "DELIVRD"
    assert _word("accepted", None, accepted) == "DELIVRD"
    assert _word("ENROUTE", 6, accepted) == "DELIVRD"
    assert _word("", 1, accepted) == "ENROUTE"
    assert _word("", 2, {"DELIVRD": "ENROUTE"}) == "ENROUTE"


def test_a_map_of_numbers_is_about_the_text_alone() -> None:
    assert _word("0", None, {"0": "DELIVRD"}) == "DELIVRD"
    assert _word("", 0, {"0": "DELIVRD"}) == "ENROUTE"


def test_every_word_stands_in_the_docs_with_where_it_is_documented() -> None:
    page = (ROOT / "docs" / "receipts.md").read_text()
    rows = re.findall(r"^\| (`[A-Z_`, ]+`) \| ([A-Z]+) \| (.+) \|$", page, re.MULTILINE)
    told = {word.strip("` "): read_as for words, read_as, _ in rows for word in words.split(",")}
    assert told == {word: read_as for word, read_as in SPELLINGS.items() if word != read_as}
