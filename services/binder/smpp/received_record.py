"""Pure: what the SMSC delivered, as records of `smsc.receipts` and `smsc.inbound` (lossless, unparsed)."""

from binascii import b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from schemas.topics import RECEIPTS, SMSC_INBOUND
from schemas.wire import KnownFormat
from services.binder.smpp.classify import DeliveredReceipt, classify
from shared.kafka.records import Out
from shared.smpp.pdu import DataSm, DeliverSm
from shared.sms.smsc_message_id import (
    MessageIdFormat,
    ReceiptIdChoice,
    ReceiptIds,
    names_in_response,
)

NO_ID = "?"


@dataclass(frozen=True, slots=True)
class Receiver:
    """What must be known of a bind to file what comes through it; `learned`: formats by provider, as they are now."""

    connector_id: str
    provider: str
    partition: int
    dlr_by_text: bool
    message_id_format: MessageIdFormat
    receipt_id: ReceiptIdChoice = "auto"
    learned: Mapping[str, KnownFormat] = field(default_factory=dict)

    def name(self, receipt: DeliveredReceipt) -> str:
        """What the response most likely called the id; "" where the receipt has no id. If this guess is wrong,
        the correlator looks further."""
        known = self.message_id_format
        if known == "auto":
            known = self.learned.get(self.provider, "raw")
        ids = ReceiptIds(receipt.id_in_tlv, receipt.id_in_text)
        return next(iter(names_in_response(ids, (known,), self.receipt_id)), "")


def received_record(pdu: DeliverSm | DataSm, receiver: Receiver, at_ms: int) -> Out:
    """The record for `pdu`, received at `at_ms`. A function of its arguments: a repeat gives the same octets.

    Receipts are keyed `provider|name` by the id of their response (`provider|?` without one), so that they meet their
    submit result;
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
    return Out(RECEIPTS, f"{receiver.provider}|{receiver.name(kind) or NO_ID}".encode(), orjson.dumps(fields))
