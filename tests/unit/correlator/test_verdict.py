"""The precedence rule of docs/contracts.md."""

from itertools import permutations

import pytest

from schemas.folds import SegmentOutcome
from schemas.outcomes import OutcomeWord
from schemas.statuses import StatusWord
from schemas.wire import ReceiptWish
from services.correlator.fold.verdict import Verdict, verdict_of

_REASONS: dict[OutcomeWord, str] = {
    "undeliverable": "smsc_refused",
    "expired": "smsc_expired",
    "outcome_unknown": "in_doubt",
    "receipt_missing": "receipt_deadline",
    "cancelled": "cancelled",
}


def _outcomes(*words: OutcomeWord) -> list[SegmentOutcome]:
    return [SegmentOutcome(n, word, _REASONS.get(word, ""), "", 100 + n) for n, word in enumerate(words, 1)]


@pytest.mark.parametrize(
    ("words", "status", "delivered"),
    [
        (("delivered",), "delivered", 1),
        (("delivered", "delivered"), "delivered", 2),
        (("delivered", "expired", "undeliverable"), "partially_delivered", 1),
        (("expired", "undeliverable"), "undeliverable", 0),
        (("expired", "expired"), "expired", 0),
        (("expired", "cancelled"), "expired", 0),
        (("cancelled",), "cancelled", 0),
        (("delivered", "receipt_missing", "undeliverable"), "receipt_missing", 1),
        (("delivered", "receipt_missing", "outcome_unknown"), "outcome_unknown", 1),
    ],
)
def test_the_first_word_that_applies_wins_in_any_order(
    words: tuple[OutcomeWord, ...], status: StatusWord, delivered: int
) -> None:
    for order in permutations(_outcomes(*words)):
        verdict = verdict_of(order, "final")
        assert (verdict.status, verdict.segments_delivered) == (status, delivered)
        assert verdict.occurred_at_ms == 100 + len(words)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("submitted", "submitted"), "submitted"),
        (("submitted", "undeliverable"), "partially_delivered"),
        (("undeliverable", "expired"), "undeliverable"),
        (("submitted", "outcome_unknown"), "outcome_unknown"),
    ],
)
def test_with_none_accepted_counts_as_delivered(words: tuple[OutcomeWord, ...], status: StatusWord) -> None:
    wish: ReceiptWish = "none"
    assert verdict_of(_outcomes(*words), wish)[:1] == (status,)
    assert verdict_of(_outcomes(*words), wish).segments_delivered == 0


def test_reason_and_error_are_those_of_the_lowest_index_with_the_word() -> None:
    outcomes = [
        SegmentOutcome(3, "undeliverable", "smsc_rejected", "3", 7),
        SegmentOutcome(2, "undeliverable", "smsc_refused", "2", 9),
        SegmentOutcome(1, "expired", "smsc_expired", "1", 8),
    ]
    assert verdict_of(outcomes, "final") == Verdict("undeliverable", "smsc_refused", "2", 0, 9)


def test_the_reason_of_partially_delivered_is_that_of_the_lowest_index_that_failed() -> None:
    outcomes = [
        SegmentOutcome(3, "undeliverable", "smsc_rejected", "3", 7),
        SegmentOutcome(2, "expired", "smsc_expired", "2", 9),
        SegmentOutcome(1, "delivered", "", "", 8),
    ]
    assert verdict_of(outcomes, "final") == Verdict("partially_delivered", "smsc_expired", "2", 1, 9)
