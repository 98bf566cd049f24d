"""Pure: what a message came to when every segment has an outcome (docs/contracts.md, the precedence)."""

from collections.abc import Collection
from typing import Final, NamedTuple

from schemas.folds import SegmentOutcome
from schemas.outcomes import OutcomeWord
from schemas.statuses import StatusWord
from schemas.wire import ReceiptWish

DELIVERED: Final = "delivered"
SUBMITTED: Final = "submitted"
_UNSURE: Final[tuple[OutcomeWord, ...]] = ("outcome_unknown", "receipt_missing")
_FAILED: Final[tuple[OutcomeWord, ...]] = ("undeliverable", "expired", "cancelled")


class Verdict(NamedTuple):
    """The final status of a message; `occurred_at_ms` is when the last of its segments came to its end."""

    status: StatusWord
    reason: str
    smsc_error: str
    segments_delivered: int
    occurred_at_ms: int


def verdict_of(outcomes: Collection[SegmentOutcome], wish: ReceiptWish) -> Verdict:
    """The verdict over one outcome per segment (at least one); `wish` is the message's receipt wish.

    The first of outcome_unknown, receipt_missing, partially_delivered, undeliverable, expired, (cancelled,) delivered
    that applies, with reason and error of the lowest index that has that word; for partially_delivered, which no
    segment has, of the lowest index that failed. With `none` accepted counts as delivered and the good end is
    `submitted`; how many were delivered is not known then (0).
    """
    ordered = sorted(outcomes)
    words = [outcome.outcome for outcome in ordered]
    good: OutcomeWord = SUBMITTED if wish == "none" else DELIVERED
    status = _status(words, good)
    cause = next((o for o in ordered if o.outcome == status), None) or next(o for o in ordered if o.outcome != good)
    return Verdict(
        status,
        cause.reason,
        cause.smsc_error,
        words.count(DELIVERED),
        max(outcome.occurred_at_ms for outcome in ordered),
    )


def _status(words: list[OutcomeWord], good: OutcomeWord) -> StatusWord:
    unsure = next((word for word in _UNSURE if word in words), None)
    if unsure:
        return unsure
    if good not in words:
        return next(word for word in (*_FAILED, *words) if word in words)
    return good if words.count(good) == len(words) else "partially_delivered"
