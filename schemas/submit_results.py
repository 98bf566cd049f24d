"""Pure: `smsc.submit_results`: segments that an SMSC accepted; key `provider|normalised smsc id`."""

from pydantic import Field

from schemas.status_context import StatusContext


class SubmitResult(StatusContext):
    """One accepted segment, waiting for its receipt until `deadline_at_ms`."""

    provider: str
    index: int
    attempt: int
    smsc_message_id: str = Field(description="As the SMSC sent it; empty when it sent none")
    submitted_at_ms: int
    answered_at_ms: int
    deadline_at_ms: int
