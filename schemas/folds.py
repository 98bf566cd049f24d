"""Pure: `correlator.folds`, changelog of the fold; key `message_id`; co-partitioned with mt.outcomes; compacted."""

from typing import Literal, NamedTuple

from pydantic import Field

from schemas.outcomes import OutcomeWord
from schemas.wire import Lane, ReceiptWish, Wire

POSITIONS_KEY = b"positions"
"""Record key of a partition's input position; a message_id is a UUID."""


class SegmentOutcome(NamedTuple):
    """What one segment has come to; `outcome` `submitted` ends it only where the receipt wish is `none`."""

    segment_index: int
    outcome: OutcomeWord
    reason: str
    smsc_error: str
    occurred_at_ms: int


class OpenFold(NamedTuple):
    """A message of which some segments have an outcome; `submitted` lists the indexes known to be accepted."""

    kind: Literal["open"]
    message_id: str
    route_no: int
    accepted_at_ms: int
    segments: int
    receipt: ReceiptWish
    account_id: str
    idempotency_key: str
    to: str
    sender: str
    country: str
    lane: Lane
    encoding: str
    connector_id: str
    metadata: dict[str, str]
    submitted: list[int]
    outcomes: list[SegmentOutcome]


class ClosedFold(NamedTuple):
    """A message whose final is written: nothing else may end it. Forgotten at `forget_at_ms`."""

    kind: Literal["closed"]
    forget_at_ms: int
    route_no: int
    final: str


class FoldEntry(Wire):
    """Key `message_id`: the message's `entry`. Key `positions`: where the input was read to."""

    entry: OpenFold | ClosedFold | None = None
    positions: dict[str, int] = Field(default_factory=dict, description="Next offset by input topic")
