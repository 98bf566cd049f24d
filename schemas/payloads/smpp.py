"""Pure: the payload of a dispatch on a connector of kind `smpp`: what its submit_sm says beside the connector's own."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.segments import SegmentedMessage
from schemas.wire import Int64


class SmppPayload(BaseModel):
    """One segment. `octets` is short_message (or message_payload) as the encoder made it, its header included."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    source_addr: str
    source_addr_ton: Int64
    source_addr_npi: Int64
    destination_addr: str
    dest_addr_ton: Int64
    dest_addr_npi: Int64
    esm_class: Int64
    protocol_id: int = Field(default=0, ge=0, le=255)
    priority_flag: int = Field(default=0, ge=0, le=255)
    data_coding: Int64
    registered_delivery: Int64
    send_validity: bool = Field(default=True, description="Pass the remaining validity on to the SMSC")
    absolute_validity: bool = Field(default=False, description="As a time, not as a span")
    octets: str = Field(description="base64")
    tlvs: list[tuple[Int64, str]] = Field(default_factory=list, description="(tag, base64 value)")


def smpp_payload(message: SegmentedMessage, index: int, octets: str, tlvs: list[tuple[int, str]]) -> dict[str, Any]:
    """The payload of the segment `index` of `message`, as it is written. Made for every segment, so without a model.

    Where one receipt speaks for the message it is asked for with the last segment.
    """
    silent = message.receipt_scope == "message" and index < len(message.segments)
    payload: dict[str, Any] = {
        "source_addr": message.source_addr,
        "source_addr_ton": message.source_addr_ton,
        "source_addr_npi": message.source_addr_npi,
        "destination_addr": message.destination_addr,
        "dest_addr_ton": message.dest_addr_ton,
        "dest_addr_npi": message.dest_addr_npi,
        "esm_class": message.esm_class,
        "data_coding": message.data_coding,
        "registered_delivery": 0 if silent else message.registered_delivery,
        "send_validity": message.send_validity,
        "octets": octets,
    }
    if message.absolute_validity:
        payload["absolute_validity"] = True
    if message.protocol_id:
        payload["protocol_id"] = message.protocol_id
    if message.priority_flag:
        payload["priority_flag"] = message.priority_flag
    if tlvs:
        payload["tlvs"] = tlvs
    return payload
