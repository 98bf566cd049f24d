"""Pure: `mt.scheduled` and `mt.due`: a message that waits for its time, and the same one given back."""

from typing import Literal

from pydantic import Field

from schemas.message_context import MessageContext
from schemas.wire import Count, Int64, Natural, Wire

WaitReason = Literal["send_at", "quiet_hours"]


class ScheduledMessage(Wire):
    """One message as it was admitted, without a route: who may send, opt-outs and routes are judged when it goes.

    `wait_no` counts how often the message was given to the scheduler. It goes at `due_at_ms`, or ends at
    `expires_at_ms`, whichever is first; both are Kafka's time.
    """

    context: MessageContext
    content: str = Field(description="What is to be encoded: `Content` of mt.submissions, JSON")
    send_at_ms: Int64 = Field(default=0, description="What the request asked for; 0 = nothing")
    due_at_ms: Int64 = Field(description="When it goes")
    expires_at_ms: Int64 = Field(description="No attempt later: validity counts from send_at")
    wait_no: Natural = 1
    route_no: Count = Field(default=0, description="What its next route will be numbered")
    why: WaitReason = "send_at"
    connector_id: str = Field(default="", description="Pinned by the request; empty = any route")
