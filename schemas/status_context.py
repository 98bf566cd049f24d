"""Pure: the part of a message that every status needs, carried by results and outcomes."""

from pydantic import Field

from schemas.wire import Int64, Lane, Natural, ReceiptWish, Wire


class StatusContext(Wire):
    """Copied from the submission by the throttler; the correlator writes statuses and events from it alone."""

    message_id: str
    route_no: Int64
    account_id: str
    idempotency_key: str | None = None
    to: str
    sender: str = ""
    country: str = ""
    lane: Lane
    receipt: ReceiptWish
    encoding: str = ""
    connector_id: str
    segments: Natural
    accepted_at_ms: Int64
    metadata: dict[str, str] = Field(default_factory=dict)
