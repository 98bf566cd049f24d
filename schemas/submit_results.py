"""Pure: `smsc.submit_results`: segments that an SMSC accepted; key `provider|normalised smsc id`."""

from pydantic import Field

from schemas.status_context import StatusContext
from schemas.wire import Int64


class SubmitResult(StatusContext):
    """One accepted segment, waiting for its receipt until `deadline_at_ms`."""

    provider: str
    index: Int64
    attempt: Int64
    smsc_message_id: str = Field(description="As the SMSC sent it; empty when it sent none")
    submitted_at_ms: Int64
    answered_at_ms: Int64
    deadline_at_ms: Int64
