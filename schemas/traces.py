"""Pure: `smsc.traces`: PDUs as somebody looks at them, decoded and (unless asked otherwise) redacted; key connector_id.

Written only while there is a record in `smsc.trace_requests`, kept for an hour.
"""

from typing import Literal

from pydantic import Field

from schemas.wire import Wire


class TraceLine(Wire):
    """One PDU of one bind for one request; or `began`: a bind is traced from here on."""

    connector_id: str
    request_id: str
    kind: Literal["began", "pdu"]
    partition: int
    bind: Literal["transmitter", "receiver", "transceiver"]
    owner: str = Field(description="instance|pid of the binder")
    at_ms: int
    peer: str = ""
    direction: Literal["", "in", "out"] = ""
    command: str = ""
    status: str = ""
    sequence_number: int = 0
    message_id: str = Field(default="", description="Of a submit_sm and its answer, where it is known")
    segment_index: int = 0
    fields: dict[str, str] = Field(default_factory=dict)
    skipped: int = Field(default=0, description="PDUs before this one that were too many to show")
