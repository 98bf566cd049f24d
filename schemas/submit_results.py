"""Pure: `smsc.submit_results`: segments that an SMSC accepted; key `provider|normalised smsc id`."""

from pydantic import Field

from schemas.segment_results import SegmentResult
from schemas.wire import Int64


class SubmitResult(SegmentResult):
    """One accepted segment, waiting for its receipt until `deadline_at_ms`."""

    provider: str
    smsc_message_id: str = Field(description="As the SMSC sent it; empty when it sent none")
    submitted_at_ms: Int64
    answered_at_ms: Int64
    deadline_at_ms: Int64
