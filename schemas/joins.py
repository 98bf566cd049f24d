"""Pure: `correlator.joins`, changelog of the join; co-partitioned with submit_results and receipts; compacted.

One record holds everything known under one join key, so that a receipt that came first and the result it waits for are
one overwrite, and a restore is a plain read. Entries are arrays: millions of open ones are held in memory as they are
here, closed marks in fewer octets still.
"""

from typing import Literal, NamedTuple

from pydantic import Field

from schemas.outcomes import OutcomeWord
from schemas.wire import Lane, ReceiptWish, Wire

POSITIONS_KEY = b"positions"
"""Record key of a partition's input positions; a join key always has a `|`."""


class OpenEntry(NamedTuple):
    """An accepted segment that waits for its receipt, with all that its status will need."""

    kind: Literal["open"]
    deadline_at_ms: int
    message_id: str
    route_no: int
    segment_index: int
    attempt: int
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
    traceparent: str


class ClosedEntry(NamedTuple):
    """A segment whose end is written; kept until one day after its deadline to recognise what comes late."""

    kind: Literal["closed"]
    deadline_at_ms: int
    message_id: str
    route_no: int
    segment_index: int
    attempt: int
    accepted_at_ms: int
    final: str


class EarlyEntry(NamedTuple):
    """A receipt whose submit result is not known yet, already read; `status` is empty where it is not final."""

    kind: Literal["early"]
    forget_at_ms: int
    offset: int
    record_at_ms: int
    received_at_ms: int
    connector_id: str
    smsc_message_id: str
    word: str
    status: OutcomeWord | Literal[""]
    reason: str
    smsc_error: str
    notification: bool
    detail: str


class JoinEntries(Wire):
    """Key `provider|smsc_id`: the entries under it, oldest first. Key `positions`: where the inputs were read to."""

    entries: list[OpenEntry | ClosedEntry | EarlyEntry] = Field(default_factory=list)
    positions: dict[str, int] = Field(default_factory=dict, description="Next offset by input topic")
