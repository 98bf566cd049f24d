"""Pure: `smsc.receipts`: receipts as received, lossless; key `provider|normalised smsc id`; LogAppendTime."""

from pydantic import Field

from schemas.wire import Int64, Wire


class Received(Wire):
    """A deliver_sm or data_sm, unparsed: only classified by the binder (quirk Q6) and its id extracted for the key."""

    connector_id: str
    provider: str
    partition: Int64 = Field(default=0, description="The bind it came through")
    command: str = Field(default="deliver_sm", description="deliver_sm or data_sm")
    source_addr: str
    source_addr_ton: Int64 = 0
    destination_addr: str
    dest_addr_ton: Int64 = 0
    esm_class: Int64
    protocol_id: Int64 = 0
    data_coding: Int64
    short_message: str = Field(description="base64; message_payload where that was sent")
    tlvs: list[tuple[Int64, str]] = Field(default_factory=list, description="(tag, base64 value), all that came")
    received_at_ms: Int64


class RawReceipt(Received):
    """A receipt; `smsc_message_id` as found in the TLV, else in the text; empty when none was found."""

    smsc_message_id: str = ""
