"""Pure: `mt.submissions` and `mt.submissions.otp`: admitted messages with their identity and their connector."""

from pydantic import Field

from schemas.wire import Count, EncodingWish, Int64, Lane, ReceiptWish, Wire


class Submission(Wire):
    """One admitted message on one route. Defaults are resolved: nothing after ingress reads the account's settings."""

    message_id: str
    route_no: Count = Field(default=0, description="0 = first route; each re-route adds one")
    account_id: str
    idempotency_key: str | None = None
    to: str = Field(description="Digits, no plus sign")
    sender: str = Field(description="As it shall appear: digits or 1-11 GSM-7 characters")
    text: str | None = None
    data: str | None = Field(default=None, description="base64")
    udh: str | None = Field(default=None, description="base64, with its length octet")
    data_coding: Int64 | None = None
    lane: Lane
    encoding: EncodingWish = "auto"
    transliterate: bool = False
    lookalikes: bool = Field(default=False, description="Transliteration includes look-alikes")
    flash: bool = False
    max_segments: Int64 = 40
    receipt: ReceiptWish = "final"
    metadata: dict[str, str] = Field(default_factory=dict)
    country: str = Field(default="", description="ISO 3166 alpha-2 of the destination, empty when unknown")
    accepted_at_ms: Int64
    expires_at_ms: Int64
    connector_id: str
    pinned: bool = Field(default=False, description="The request named the connector: never re-routed")
    tried: list[str] = Field(default_factory=list, description="Connectors of earlier routes")
