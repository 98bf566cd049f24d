"""Pure: what the SMSC delivered, as records of `smsc.receipts` and `smsc.inbound` (lossless, unparsed)."""

from binascii import b2a_base64
from dataclasses import dataclass
from typing import Any

import orjson

from schemas.topics import RECEIPTS, SMSC_INBOUND
from services.binder.smpp.classify import DeliveredReceipt, classify
from shared.kafka.records import Out
from shared.smpp.pdu import DataSm, DeliverSm
from shared.sms.smsc_message_id import MessageIdFormat, receipt_key_of

NO_ID = "?"


@dataclass(frozen=True, slots=True)
class Receiver:
    """What must be known of a bind to file what comes through it."""

    connector_id: str
    provider: str
    partition: int
    dlr_by_text: bool
    message_id_format: MessageIdFormat


def received_record(pdu: DeliverSm | DataSm, receiver: Receiver, at_ms: int) -> Out:
    """The record for `pdu`, received at `at_ms`. A function of its arguments: a repeat gives the same octets.

    Receipts are keyed `provider|normalised id` (`provider|?` without one), so that they meet their submit result;
    messages of handsets by destination, so that the parts of one stay in order.
    """
    kind = classify(pdu, dlr_by_text=receiver.dlr_by_text)
    fields: dict[str, Any] = {
        "schema_version": 1,
        "connector_id": receiver.connector_id,
        "provider": receiver.provider,
        "partition": receiver.partition,
        "command": "deliver_sm" if isinstance(pdu, DeliverSm) else "data_sm",
        "source_addr": pdu.source_addr,
        "source_addr_ton": pdu.source_addr_ton,
        "destination_addr": pdu.destination_addr,
        "dest_addr_ton": pdu.dest_addr_ton,
        "esm_class": pdu.esm_class,
        "data_coding": pdu.data_coding,
        "short_message": b2a_base64(kind.octets, newline=False).decode(),
        "received_at_ms": at_ms,
    }
    if isinstance(pdu, DeliverSm) and pdu.protocol_id:
        fields["protocol_id"] = pdu.protocol_id
    if pdu.tlvs:
        fields["tlvs"] = [(tlv.tag, b2a_base64(tlv.value, newline=False).decode()) for tlv in pdu.tlvs]
    if not isinstance(kind, DeliveredReceipt):
        return Out(SMSC_INBOUND, pdu.destination_addr.encode(), orjson.dumps(fields))
    fields["smsc_message_id"] = kind.smsc_message_id
    key = receipt_key_of(kind.id_in_tlv, kind.id_in_text, receiver.message_id_format)
    return Out(RECEIPTS, f"{receiver.provider}|{key or NO_ID}".encode(), orjson.dumps(fields))
