"""Pure: `smsc.receipts`: receipts as received, lossless; key `provider|normalised smsc id`; LogAppendTime."""

from pydantic import Field

from schemas.wire import Wire


class Received(Wire):
    """A deliver_sm or data_sm, unparsed: only classified by the binder (quirk Q6) and its id extracted for the key."""

    connector_id: str
    provider: str
    partition: int = Field(default=0, description="The bind it came through")
    command: str = Field(default="deliver_sm", description="deliver_sm or data_sm")
    source_addr: str
    source_addr_ton: int = 0
    destination_addr: str
    dest_addr_ton: int = 0
    esm_class: int
    protocol_id: int = 0
    data_coding: int
    short_message: str = Field(description="base64; message_payload where that was sent")
    tlvs: list[tuple[int, str]] = Field(default_factory=list, description="(tag, base64 value), all that came")
    received_at_ms: int


class RawReceipt(Received):
    """A receipt; `smsc_message_id` as found in the TLV, else in the text; empty when none was found."""

    smsc_message_id: str = ""
