"""Pure: `correlator.folds`, changelog of the fold; key `message_id`; co-partitioned with mt.outcomes; compacted."""

from typing import Literal

from pydantic import Field

from schemas.status_context import StatusContext
from schemas.wire import Wire


class SegmentOutcome(Wire):
    """What one segment has come to."""

    index: int
    outcome: str
    reason: str | None = None
    smsc_error: str | None = None
    occurred_at_ms: int


class FoldEntry(Wire):
    """`open`: some segments have an outcome. `closed`: the final is written, later outcomes are events only."""

    kind: Literal["open", "closed"]
    context: StatusContext | None = None
    submitted: list[int] = Field(default_factory=list, description="Indexes known to be accepted")
    outcomes: list[SegmentOutcome] = Field(default_factory=list)
    final: str = ""
    forget_at_ms: int = 0
