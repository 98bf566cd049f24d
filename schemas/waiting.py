"""Pure: `scheduler.waiting`, the scheduler's state: messages that wait, those that lately did, and how far it has read.

Compacted, co-partitioned with `mt.scheduled`. The key is a message_id, that of an order, or `POSITIONS_KEY`. A
message's record has either `message`, while it waits, or `gone`.
"""

from typing import Final, Literal

from pydantic import Field

from schemas.commands import Command
from schemas.scheduled import ScheduledMessage
from schemas.wire import Count, Int64, Wire

POSITIONS_KEY: Final = b"positions"
ORDER_KEY: Final = b"order|"
"""What the key of an order begins with; partition and offset of its command follow."""

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


class RememberedOrder(Wire):
    """A command that messages may still meet, which come later than it did."""

    command: Command
    given_at_ms: Int64 = Field(description="Time of the command's record: later messages are none of its business")
    answer_at_ms: Count = Field(default=0, description="When nobody having it is told; 0 = not, or told")
    forget_at_ms: Int64
    swept: bool = Field(default=True, description="Whether all that waited has been looked through")


class WaitingEntry(Wire):
    """One record."""

    message: ScheduledMessage | None = None
    traceparent: str = Field(default="", description="W3C trace context of the request, for all that follows from it")
    moves: Count = Field(default=0, description="How often it was rescheduled in this wait")
    gone: GoneMark | None = None
    order: RememberedOrder | None = None
    positions: dict[str, int] | None = Field(
        default=None, description="Next offset to read, by input: `mt.scheduled`, `mt.commands/0` …"
    )
