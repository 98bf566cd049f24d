"""Pure: `mt.outcomes`: what became of one segment after a dispatch; key `message_id`; folded into one status."""

from typing import Literal

from pydantic import Field

from schemas.segment_results import SegmentResult
from schemas.wire import Int64

OutcomeWord = Literal[
    "submitted", "delivered", "undeliverable", "expired", "outcome_unknown", "receipt_missing", "cancelled"
]


class Outcome(SegmentResult):
    """What a segment came to. `submitted` ends it only where `receipt` is `none`; with `all` it counts for a status."""

    outcome: OutcomeWord
    reason: str | None = None
    smsc_error: str | None = None
    occurred_at_ms: Int64 = Field(description="When it happened, not when it was written")
