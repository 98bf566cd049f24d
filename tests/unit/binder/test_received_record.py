"""Pure: what the SMSC delivered, as records."""

import base64

from schemas.receipts import RawReceipt
from schemas.smsc_inbound import RawInbound
from schemas.wire import KnownFormat
from services.binder.smpp.received_record import Receiver, received_record
from shared.smpp.pdu import DataSm, DeliverSm
from shared.smpp.tlv import Tlv
from shared.sms.smsc_message_id import ReceiptIdChoice

CHOICES: tuple[ReceiptIdChoice, ...] = ("auto", "tlv", "text")
RECEIVER = Receiver("acme-1", "acme", 1, False, "raw")


def test_a_receipt_is_lossless_and_keyed_by_its_id() -> None:
    tlvs = (Tlv(0x001E, b"00AB\0"), Tlv(0x1403, b"\xff"))
    pdu = DeliverSm(
        source_addr="49170",
        source_addr_ton=1,
        destination_addr="SHOP",
        dest_addr_ton=5,
        esm_class=0x24,
        protocol_id=3,
        data_coding=4,
        short_message=b"\0\xff",
        tlvs=tlvs,
    )
    out = received_record(pdu, RECEIVER, 99)
    found = RawReceipt.from_json(out.value or b"")
    assert (out.topic, out.key) == ("smsc.receipts", b"acme|ab")
    assert (found.smsc_message_id, found.esm_class, found.protocol_id, found.data_coding) == ("00AB", 0x24, 3, 4)
    assert base64.b64decode(found.short_message) == b"\0\xff"
    assert [(tag, base64.b64decode(value)) for tag, value in found.tlvs] == [(0x001E, b"00AB\0"), (0x1403, b"\xff")]
    assert (found.connector_id, found.partition, found.received_at_ms) == ("acme-1", 1, 99)


def test_a_receipt_without_an_id_has_the_common_key() -> None:
    assert received_record(DeliverSm(esm_class=4), RECEIVER, 0).key == b"acme|?"


def test_q1_the_key_is_normalised_as_the_connector_says() -> None:
    pdu = DeliverSm(esm_class=4, short_message=b"id:0000436949 stat:DELIVRD")
    hexadecimal = Receiver("a", "acme", 0, False, "hex")
    assert received_record(pdu, hexadecimal, 0).key == b"acme|6aad5"
    assert received_record(pdu, RECEIVER, 0).key == b"acme|436949"
    both = DeliverSm(esm_class=4, short_message=b"id:0000436949 stat:DELIVRD", tlvs=(Tlv(0x1E, b"6aad5\0"),))
    assert received_record(both, hexadecimal, 0).key == b"acme|6aad5"


def test_q1_the_key_follows_what_was_learned() -> None:
    learned: dict[str, KnownFormat] = {}
    receiver = Receiver("a", "acme", 0, False, "auto", "auto", learned)
    pdu = DeliverSm(esm_class=4, short_message=b"id:0000436949 stat:DELIVRD")
    assert received_record(pdu, receiver, 0).key == b"acme|436949"
    learned["acme"] = "hex"
    assert received_record(pdu, receiver, 0).key == b"acme|6aad5"


def test_q8_the_key_is_of_the_id_that_the_connector_says() -> None:
    pdu = DeliverSm(esm_class=4, short_message=b"id:8 stat:DELIVRD", tlvs=(Tlv(0x1E, b"7\0"),))
    keys = [received_record(pdu, Receiver("a", "p", 0, False, "raw", choice), 0).key for choice in CHOICES]
    assert keys == [b"p|7", b"p|7", b"p|8"]


def test_a_message_of_a_handset_is_keyed_by_its_destination() -> None:
    out = received_record(DataSm(destination_addr="4711", source_addr="49", tlvs=(Tlv(0x0424, b"hi"),)), RECEIVER, 5)
    found = RawInbound.from_json(out.value or b"")
    assert (out.topic, out.key, found.command) == ("smsc.inbound", b"4711", "data_sm")
    assert base64.b64decode(found.short_message) == b"hi"
