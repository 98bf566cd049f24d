"""One line of evidence."""

import json

import pytest

from services.simulator.log_line import log_line, segment_of
from shared.smpp.pdu import DataSm, ShortMessage, SubmitSm
from shared.smpp.tlv import Tag, Tlv, integer_tlv

SAR = (
    integer_tlv(Tag.SAR_MSG_REF_NUM, 7),
    integer_tlv(Tag.SAR_TOTAL_SEGMENTS, 3),
    integer_tlv(Tag.SAR_SEGMENT_SEQNUM, 2),
)
UDH8 = b"\x05\x00\x03\x07\x04\x03"
UDH16 = b"\x06\x08\x04\x00\x07\x06\x05"


@pytest.mark.parametrize(
    ("body", "segment"),
    [
        (SubmitSm(short_message=UDH8), (1, 1)),
        (SubmitSm(esm_class=0x40, short_message=UDH8 + b"x"), (3, 4)),
        (SubmitSm(esm_class=0x43, short_message=UDH16 + b"x"), (5, 6)),
        (SubmitSm(esm_class=0x40, tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, UDH16),)), (5, 6)),
        (SubmitSm(short_message=b"x", tlvs=SAR), (2, 3)),
        (SubmitSm(esm_class=0x40, short_message=UDH8, tlvs=SAR), (3, 4)),
        (SubmitSm(esm_class=0x40, short_message=b"\x09no header"), (1, 1)),
        (SubmitSm(tlvs=SAR[:1]), (1, 1)),
        (DataSm(tlvs=SAR), (2, 3)),
    ],
)
def test_which_segment_of_how_many(body: ShortMessage | DataSm, segment: tuple[int, int]) -> None:
    assert segment_of(body) == segment


def test_a_line_is_one_object_of_json_whatever_the_peer_writes() -> None:
    body = SubmitSm(
        source_addr='a"\\\n\xff', destination_addr="447700900123", esm_class=0x40, data_coding=8, short_message=UDH8
    )
    line = log_line(body, 9, "sh\x01p", "ff", 123)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "at_ms": 123,
        "system_id": "sh\x01p",
        "smsc_message_id": "ff",
        "source_addr": 'a"\\\n\xff',
        "destination_addr": "447700900123",
        "esm_class": 0x40,
        "data_coding": 8,
        "octets": UDH8.hex(),
        "part": 3,
        "parts": 4,
        "sequence_number": 9,
    }


def test_the_payload_counts_where_there_is_one() -> None:
    payload = (Tlv(Tag.MESSAGE_PAYLOAD, b"payload"),)
    for body in (SubmitSm(short_message=b"short", tlvs=payload), DataSm(tlvs=payload)):
        assert json.loads(log_line(body, 1, "a", "1", 1))["octets"] == b"payload".hex()
