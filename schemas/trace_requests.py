"""Pure: `smsc.trace_requests`: who looks at which connector; compacted; key `connector_id|request_id`."""

from pydantic import Field

from schemas.wire import Wire


class TraceRequest(Wire):
    """Binders trace the connector for `ttl_s` from when they read this. Whoever looks writes it again while they do,
    and a tombstone when they stop; a request that nobody renews ends by itself.
    """

    connector_id: str
    request_id: str
    ttl_s: int = Field(gt=0, le=60)
    since_s: int = Field(default=0, description="Begin with what passed in so many seconds before")
    msisdn: str = Field(default="", description="Only PDUs with this number in an address or a text, and answers")
    message_id: str = Field(default="", description="Only submits of this message, their answers and its receipts")
    smsc_message_ids: tuple[str, ...] = Field(default=(), description="Ids that SMSCs are known to have given it")
    unredacted: bool = Field(default=False, description="Show numbers and texts; passwords never")
    with_octets: bool = Field(default=False, description="The octets too; only with `unredacted`")
