"""Pure: what all records about one dispatched segment of a message have in common."""

from typing import Any, ClassVar

from pydantic import Field

from schemas.message_context import MessageContext, context_of_version_1
from schemas.wire import Int64, Natural, ReceiptScope, Wire


class SegmentResult(Wire):
    """The segment `index` of `segments` on one route; the correlator writes statuses and events from it alone."""

    CURRENT_VERSION: ClassVar[int] = 2
    schema_version: int = 2
    context: MessageContext
    route_no: Int64
    connector_id: str
    segments: Natural
    index: Int64 = Field(description="1-based")
    attempt: Int64
    receipt_scope: ReceiptScope = Field(default="segment", description="`message`: one receipt speaks for all segments")

    @classmethod
    def from_earlier(cls, record: dict[str, Any]) -> dict[str, Any]:
        """Version 1 had the fields of the context among its own."""
        return record | {"context": context_of_version_1(record)}
