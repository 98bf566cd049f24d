"""Pure: `scheduler.waiting`, the scheduler's state: messages that wait, those that lately did, and how far it has read.

Compacted, co-partitioned with `mt.scheduled`. The key is a message_id, or `POSITIONS_KEY`. A message's record has
either `message`, while it waits, or `gone`.
"""

from typing import Final, Literal

from pydantic import Field

from schemas.scheduled import ScheduledMessage
from schemas.wire import Count, Int64, Wire

POSITIONS_KEY: Final = b"positions"

Gone = Literal["due", "cancelled", "expired"]


class GoneMark(Wire):
    """A message that does not wait any more: remembered for a while, so that what comes late about it is known for
    late. `wait_no` is that of the wait that ended."""

    ended: Gone
    account_id: str
    idempotency_key: str = ""
    accepted_at_ms: Int64
    wait_no: Count
    forget_at_ms: Int64


class WaitingEntry(Wire):
    """One record."""

    message: ScheduledMessage | None = None
    traceparent: str = Field(default="", description="W3C trace context of the request, for all that follows from it")
    moves: Count = Field(default=0, description="How often it was rescheduled in this wait")
    gone: GoneMark | None = None
    positions: dict[str, int] | None = Field(default=None, description="Next offset to read, by input topic")
