"""Receipts as octets, read by the codec and by the gateway's own reader."""

import pytest

from services.simulator.message import SimulatedMessage
from services.simulator.message_ids import SmscMessageId
from services.simulator.receipts import STATES, receipt_octets
from services.simulator.scenario import ReceiptFormat
from shared.smpp.codec import decode_frame
from shared.smpp.pdu import DataSm, DeliverSm, Pdu, ShortMessage, SubmitSm
from shared.smpp.tlv import Tag, Tlv
from shared.sms.receipt_text import Receipt, parse_receipt

AT_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
SUBMIT = SubmitSm(
    source_addr_ton=5,
    source_addr="SHOP",
    dest_addr_ton=1,
    dest_addr_npi=1,
    destination_addr="447700900123",
    short_message=b"hello\x00 w\xf6rld stat:X and more",
)


def message(body: ShortMessage | DataSm = SUBMIT) -> SimulatedMessage:
    return SimulatedMessage(body, "shop", SmscMessageId("ff", "255"), AT_MS, "DELIVRD", AT_MS, tells_final=True)


def delivered(octets: bytes) -> DeliverSm:
    """The octets behind a header, through the codec, without a defect."""
    header = (16 + len(octets)).to_bytes(4, "big") + (5).to_bytes(4, "big") + bytes(4) + (1).to_bytes(4, "big")
    found = decode_frame(header + octets)
    assert isinstance(found, Pdu)
    assert found.defects == ()
    assert isinstance(found.body, DeliverSm)
    return found.body


def read(body: DeliverSm) -> Receipt:
    return parse_receipt(body.short_message, [(tlv.tag, tlv.value) for tlv in body.tlvs])


def test_a_receipt_goes_back_the_way_the_message_came() -> None:
    body = delivered(receipt_octets(message(), "DELIVRD", AT_MS + 90_000, "both", "001"))
    assert body == DeliverSm(
        source_addr_ton=1,
        source_addr_npi=1,
        source_addr="447700900123",
        dest_addr_ton=5,
        destination_addr="SHOP",
        esm_class=4,
        short_message=(
            b"id:255 sub:001 dlvrd:001 submit date:2601010000 done date:2601010001 stat:DELIVRD err:000 "
            b"text:hello? w?rld stat:X "
        ),
        tlvs=(Tlv(Tag.RECEIPTED_MESSAGE_ID, b"255\0"), Tlv(Tag.MESSAGE_STATE, b"\x02")),
    )


@pytest.mark.parametrize("word", STATES)
@pytest.mark.parametrize("receipt_format", ["standard", "tlv", "both"])
def test_every_word_is_read_in_every_format(word: str, receipt_format: ReceiptFormat) -> None:
    body = delivered(receipt_octets(message(), word, AT_MS, receipt_format, "021"))
    told = read(body)
    assert (told.word, told.smsc_message_id, told.conflicts) == (word, "255", ())
    assert bool(body.short_message) is (receipt_format != "tlv")
    assert bool(body.tlvs) is (receipt_format != "standard")
    assert body.esm_class == (0x20 if word == "ENROUTE" else 4)
    failed = word not in ("DELIVRD", "ENROUTE", "ACCEPTD")
    if receipt_format != "tlv":
        assert told.err == ("021" if failed else "000")
    if receipt_format != "standard":
        code = told.network_error_code
        assert (code.network_type, code.code) == (3, 21) if failed and code else code is None


def test_a_code_that_is_no_number_stands_in_the_text_only() -> None:
    body = delivered(receipt_octets(message(), "UNDELIV", AT_MS, "both", "21b"))
    assert read(body).err == "21b"
    assert len(body.tlvs) == 2


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (SubmitSm(esm_class=0x40, short_message=b"\x05\x00\x03\x01\x02\x01segment"), "segment"),
        (SubmitSm(esm_class=0x40, short_message=b""), ""),
        (SubmitSm(data_coding=8, short_message=b"\x04\x10"), ""),
        (SubmitSm(tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, b"payload"),)), "payload"),
        (DataSm(tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, b"payload"),)), "payload"),
        (DataSm(), ""),
    ],
)
def test_the_text_is_the_beginning_of_what_is_text(body: ShortMessage | DataSm, text: str) -> None:
    told = delivered(receipt_octets(message(body), "DELIVRD", AT_MS, "both", "001"))
    assert told.short_message.decode().partition("text:")[2] == text
