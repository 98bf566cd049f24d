"""Pure: what a message came to when every segment has an outcome (docs/contracts.md, the precedence)."""

from collections.abc import Collection
from typing import Final, NamedTuple

from schemas.folds import OpenFold, SegmentOutcome
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


def spoken_for(entry: OpenFold) -> OpenFold:
    """The entry with the outcome that one receipt gives all segments of its message, as soon as every one is accepted
    or has failed; else as it is.

    The receipt is the first outcome of an accepted segment that is one. Those that failed without being accepted keep
    theirs.
    """
    ended = {outcome.segment_index: outcome for outcome in entry.outcomes}
    accepted = frozenset(entry.submitted)
    word = next((o for o in entry.outcomes if o.segment_index in accepted and o.outcome not in _UNSURE), None)
    if word is None or len(accepted | ended.keys()) < entry.segments:
        return entry
    ended |= {index: word._replace(segment_index=index) for index in accepted}
    return entry._replace(outcomes=list(ended.values()))


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
