"""Edge: what a trace shows of a PDU and what it keeps to itself, and how much a ring keeps."""

import pytest

from shared.smpp import pdu
from shared.smpp.codec import encode_body
from shared.smpp.constants import EsmClass
from shared.smpp.tlv import Tag, Tlv, integer_tlv, text_tlv
from shared.smpp.trace import BLOCK, FRAME_OVERHEAD, TraceRing, describe, readable
from tests.vectors.pdus import Vector, load_vectors

MSISDN, TEXT = "447700900123", b"your code is 123456"
SUBMIT = encode_body(
    pdu.SubmitSm(
        source_addr="SHOP",
        destination_addr=MSISDN,
        short_message=TEXT,
        tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, TEXT), Tlv(0x1401, TEXT), integer_tlv(Tag.SAR_MSG_REF_NUM, 300)),
    ),
    7,
)
RECEIPT_TEXT = b"id:8A03 sub:001 dlvrd:001 submit date:2611270031 done date:2611270031 stat:DELIVRD err:000 text:code 1"


def line(frame: bytes, direction: str = "out", **options: bool) -> str:
    return describe(direction, frame, **options).line()


def test_numbers_and_texts_are_redacted() -> None:
    assert line(SUBMIT) == (
        "-> submit_sm                             #7       source_addr=SHOP destination_addr=447...(12)"
        " short_message=...(19) message_payload=...(19) 0x1401=...(19) sar_msg_ref_num=300"
    )


def test_columns_are_aligned_whatever_the_command() -> None:
    refused = encode_body(pdu.SubmitSmResp(), 123456, 0x58)
    accepted = encode_body(pdu.BindTransceiverResp(system_id="x"), 1)
    places = {line(frame).index("#") for frame in (SUBMIT, refused, accepted)}
    assert len(places) == 1


def test_open_shows_them_and_the_frame_on_demand() -> None:
    shown = line(SUBMIT, redact=False, with_hex=True)
    assert f"destination_addr={MSISDN} short_message='your code is 123456'" in shown
    assert shown.endswith(f"frame={SUBMIT.hex()}")
    assert SUBMIT.hex() not in line(SUBMIT, with_hex=True)


@pytest.mark.parametrize("body_class", [pdu.BindTransmitter, pdu.BindReceiver, pdu.BindTransceiver, pdu.Outbind])
@pytest.mark.parametrize("redact", [True, False])
def test_a_password_is_never_shown(body_class: type[pdu.BindRequest], redact: bool) -> None:
    frame = encode_body(body_class(system_id="shop", password="secret"), 1)
    shown = line(frame, redact=redact, with_hex=True)
    assert "system_id=shop password=***" in shown
    assert "secret" not in shown
    assert b"secret".hex() not in shown


@pytest.mark.parametrize(
    "frame",
    [
        encode_body(pdu.SubmitSmResp(tlvs=(text_tlv(Tag.ADDITIONAL_STATUS_INFO_TEXT, f"no such {MSISDN}"),)), 1, 0x0B),
        encode_body(pdu.BindReceiver(system_id="x", address_range=MSISDN), 1),
        encode_body(pdu.AlertNotification(source_addr=MSISDN, esme_addr=MSISDN), 1),
        encode_body(pdu.SubmitMulti(dest_address=(pdu.DestinationAddress(1, 1, MSISDN),)), 1),
        encode_body(pdu.SubmitMultiResp(unsuccess_sme=(pdu.UnsuccessSme(1, 1, MSISDN, 8),)), 1),
        encode_body(pdu.DataSm(source_addr=MSISDN, tlvs=(Tlv(Tag.CALLBACK_NUM, b"\1\0\1" + MSISDN.encode()),)), 1),
        encode_body(pdu.DeliverSm(esm_class=4, source_addr=MSISDN, short_message=b"id:%b" % MSISDN.encode()), 1),
        encode_body(pdu.DeliverSm(esm_class=4, short_message=b"stat:DELIVRD Text:id:%b" % MSISDN.encode()), 1),
    ],
)
def test_no_number_slips_through(frame: bytes) -> None:
    shown = line(frame, "in")
    for secret in (MSISDN, MSISDN.encode().hex()):
        assert secret not in shown


@pytest.mark.parametrize("vector", load_vectors(), ids=lambda vector: vector.name)
def test_no_vector_shows_its_numbers_or_its_text(vector: Vector) -> None:
    shown = line(vector.frame)
    body = vector.expected.body
    for name in ("source_addr", "destination_addr", "esme_addr"):
        address = getattr(body, name, "")
        assert len(address) < 7 or not address.isdigit() or address not in shown
    text = getattr(body, "short_message", b"")
    assert not text or f"short_message=...({len(text)})" in shown


def test_a_receipt_tells_what_became_of_the_message() -> None:
    body = pdu.DeliverSm(
        source_addr=MSISDN,
        destination_addr="SHOP",
        esm_class=EsmClass.DELIVERY_RECEIPT,
        short_message=RECEIPT_TEXT,
        tlvs=(text_tlv(Tag.RECEIPTED_MESSAGE_ID, "8A03"), integer_tlv(Tag.MESSAGE_STATE, 2)),
    )
    assert line(encode_body(body, 3), "in") == (
        "<- deliver_sm                            #3       source_addr=447...(12) destination_addr=SHOP esm_class=4"
        f" short_message=...({len(RECEIPT_TEXT)}) receipt.id=8A03 receipt.stat=DELIVRD receipt.err=000"
        " receipted_message_id=8A03 message_state=DELIVERED"
    )


def test_a_message_of_a_handset_that_reads_like_one_does_not() -> None:
    body = pdu.DeliverSm(source_addr=MSISDN, short_message=RECEIPT_TEXT)
    assert "DELIVRD" not in line(encode_body(body, 3), "in")


def test_a_receipt_in_ucs2_is_read_too() -> None:
    body = pdu.DeliverSm(esm_class=4, data_coding=8, short_message="id:77 stat:UNDELIV".encode("utf-16-be"))
    assert "receipt.id=77 receipt.stat=UNDELIV" in line(encode_body(body, 3), "in")


@pytest.mark.parametrize(
    ("octets", "data_coding", "udhi", "shown"),
    [
        (b"hello world", 0, False, "hello world"),
        ("Привет".encode("utf-16-be"), 8, False, "Привет"),
        (bytes.fromhex("050003070201") + b"part", 0, True, "050003070201|part"),
        (b"\x00\x01\x02", 4, False, "000102"),
        (b"\x04\x1f\x00", 8, False, "041f00"),
        (b"", 0, True, ""),
    ],
)
def test_open_texts_are_for_people(octets: bytes, data_coding: int, udhi: bool, shown: str) -> None:
    assert readable(octets, data_coding, udhi=udhi) == shown


def test_a_line_is_one_line_whatever_is_in_the_text() -> None:
    frame = encode_body(pdu.SubmitSm(short_message=b"one\ntwo\x1b[31m"), 1)
    assert describe("out", frame, redact=False).fields == (("short_message", "one\ntwo\x1b[31m"),)
    assert line(frame, redact=False).endswith(r"short_message='one\ntwo\x1b[31m'")


def test_optional_parameters_are_decoded_by_their_kind() -> None:
    body = pdu.DeliverSm(
        tlvs=(
            integer_tlv(Tag.USER_MESSAGE_REFERENCE, 513),
            Tlv(Tag.MESSAGE_STATE, b"\x63"),
            text_tlv(Tag.RECEIPTED_MESSAGE_ID, "a-1"),
            Tlv(Tag.NETWORK_ERROR_CODE, b"\3\0\1"),
            Tlv(Tag.ALERT_ON_MESSAGE_DELIVERY),
        )
    )
    assert line(encode_body(body, 1), "in").endswith(
        "user_message_reference=513 message_state=99 receipted_message_id=a-1 network_error_code=030001"
        " alert_on_message_delivery"
    )


def test_unknown_and_broken_pdus_have_a_line() -> None:
    unknown = bytes.fromhex("00000010000000990000000000000001")
    assert line(unknown, "in").split() == ["<-", "0x00000099", "#1", "unparsable='unknown", "command_id'"]
    assert line(b"abc", "in").split() == ["<-", "?", "#0", "octets=3"]
    bare = bytes.fromhex("00000010800000040000040100000001")
    assert line(bare, "in").split() == ["<-", "submit_sm_resp", "0x00000401", "#1", "defects=body_missing"]


def fill(ring: TraceRing, count: int, octets: int = 20, at: float = 0.0) -> None:
    for number in range(count):
        ring.record(at + number, "in", bytes(octets))


def test_the_ring_is_bounded_by_octets() -> None:
    ring = TraceRing(octets_max=3 * BLOCK * (20 + FRAME_OVERHEAD), age_s=1e9)
    fill(ring, 10 * BLOCK + 5)
    assert [at for at, _, _ in ring.snapshot()] == list(range(7 * BLOCK, 10 * BLOCK + 5))
    fill(ring, BLOCK - 5, octets=2000, at=1e6)
    assert ring.snapshot() == [], "what is larger than the whole ring is not kept"
    fill(ring, 1, at=2e6)
    assert len(ring.snapshot()) == 1


def test_the_ring_is_bounded_by_age() -> None:
    ring = TraceRing(age_s=60.0)
    for at in (0.0, 10.0, 59.0, 70.0):
        ring.record(at, "out", b"x")
    assert [at for at, _, _ in ring.snapshot()] == [10.0, 59.0, 70.0], "exactly, for a reader"
    ring = TraceRing(age_s=2.0 * BLOCK)
    fill(ring, 10 * BLOCK)
    assert sum(len(block) for _, block in ring._blocks) <= 3 * BLOCK, "in memory, by the block"


def test_the_ring_gives_what_came_since() -> None:
    ring = TraceRing()
    for at in (0.0, 1.0, 1.0, 2.0):
        ring.record(at, "out", b"x")
    assert [at for at, _, _ in ring.snapshot(since=1.0)] == [1.0, 1.0, 2.0]
    assert ring.snapshot(since=2.5) == []


def test_a_tap_sees_every_pdu_until_it_is_taken_off() -> None:
    ring, seen = TraceRing(), list[tuple[float, str, bytes]]()
    ring.tap = lambda at, direction, frame: seen.append((at, direction, frame))
    ring.record(1.0, "in", b"a")
    ring.tap = None
    ring.record(2.0, "in", b"b")
    assert seen == [(1.0, "in", b"a")]
    assert len(ring.snapshot()) == 2
    assert TraceRing().blocks() == []
