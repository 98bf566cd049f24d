"""The status table, word by word as docs/contracts.md has it."""

import pytest

from services.correlator.join.receipt_states import ENDS, STAYS_OPEN, end_of, upper_map
from shared.sms.receipt_words import FINAL_WORDS


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("DELIVRD", "delivered", ""),
        ("UNDELIV", "undeliverable", "smsc_undelivered"),
        ("DELETED", "undeliverable", "smsc_undelivered"),
        ("SKIPPED", "undeliverable", "smsc_undelivered"),
        ("REJECTD", "undeliverable", "smsc_rejected"),
        ("EXPIRED", "expired", "smsc_expired"),
    ],
)
def test_a_final_word_ends_a_segment(word: str, status: str, reason: str) -> None:
    assert end_of(word) == (status, reason)


@pytest.mark.parametrize("word", ["ENROUTE", "ACCEPTD", "UNKNOWN", "", "BANANA"])
def test_any_other_word_leaves_it_open(word: str) -> None:
    assert end_of(word) is STAYS_OPEN


def test_the_table_has_words_that_the_receipt_parser_gives() -> None:
    assert set(ENDS) == FINAL_WORDS


def test_a_receipt_map_is_read_without_regard_to_case() -> None:
    assert upper_map({" ok ": "delivrd", "0": "DELIVRD"}) == {"OK": "DELIVRD", "0": "DELIVRD"}
