"""Pure: `mo.messages`, the public topic of messages from handsets. Key: `to`."""

from pydantic import Field

from schemas.wire import Wire


class InboundMessage(Wire):
    """At least once; collapse on `mo_id`. Exactly one of `text` and `data` (base64, UDH removed).

    A message that is not complete may be followed by a record with the same `mo_id` and more parts.
    """

    mo_id: str
    connector_id: str
    account_id: str | None = None
    sender: str = Field(alias="from")
    to: str
    text: str | None = None
    data: str | None = None
    data_coding: int
    keyword: str | None = Field(default=None, description="The first word, in capitals")
    opt_out: bool | None = Field(default=None, description="True: STOP or its like; false: START; absent: neither")
    parts: int = Field(default=1, description="How many parts are in it")
    parts_total: int = Field(default=1, description="How many parts the sender made of it")
    missing: list[int] = Field(default_factory=list, description="Numbers of the parts that did not come, from 1")
    complete: bool = Field(default=True, description="False: not all parts came in time")
    received_at_ms: int
