"""Pure: `mo.messages`, the public topic of messages from handsets. Key: `to`."""

from pydantic import Field

from schemas.wire import Wire


class InboundMessage(Wire):
    """At least once; collapse on `mo_id`. Exactly one of `text` and `data` (base64, UDH removed)."""

    mo_id: str
    connector_id: str
    account_id: str | None = None
    sender: str = Field(alias="from")
    to: str
    text: str | None = None
    data: str | None = None
    data_coding: int
    keyword: str | None = None
    parts: int = 1
    complete: bool = True
    received_at_ms: int
