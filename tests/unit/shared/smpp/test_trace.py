from shared.smpp import pdu
from shared.smpp.codec import encode_body
from shared.smpp.tlv import Tag, Tlv
from shared.smpp.trace import TracedPdu, TraceRing, describe, mentions

MSISDN, TEXT = "447700900123", b"your code is 123456"
SUBMIT = encode_body(
    pdu.SubmitSm(
        destination_addr=MSISDN,
        short_message=TEXT,
        data_coding=8,
        tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, TEXT), Tlv(0x1401, TEXT), Tlv(Tag.MESSAGE_STATE, b"\x02")),
    ),
    7,
)


def traced(frame: bytes, direction: str = "out") -> TracedPdu:
    return TracedPdu(1.0, direction, frame)


def test_numbers_and_texts_are_redacted() -> None:
    line = describe(traced(SUBMIT))
    assert line == (
        "-> submit_sm ESME_ROK #7 destination_addr=447...(12) data_coding=8 short_message=...(19)"
        " message_payload=...(19) 0x1401=...(19) message_state=02"
    )


def test_open_shows_them_and_the_frame_on_demand() -> None:
    line = describe(traced(SUBMIT), redact=False, with_hex=True)
    assert MSISDN in line
    assert TEXT.hex() in line
    assert line.endswith(SUBMIT.hex())
    assert SUBMIT.hex() not in describe(traced(SUBMIT), with_hex=True)


def test_a_password_is_never_shown() -> None:
    frame = encode_body(pdu.BindTransceiver(system_id="shop", password="secret"), 1)
    for redact in (True, False):
        line = describe(traced(frame), redact=redact, with_hex=True)
        assert "password=***" in line
        assert "secret" not in line
        assert b"secret".hex() not in line


def test_unknown_and_broken_pdus_have_a_line() -> None:
    unknown = bytes.fromhex("00000010000000990000000000000001")
    assert describe(traced(unknown, "in")) == "<- 0x00000099 ESME_ROK #1 unparsable (unknown command_id)"
    assert describe(traced(b"abc", "in")) == "in  ? 3 octets"
    bare = bytes.fromhex("00000010800000040000040100000001")
    assert describe(traced(bare, "in")) == "<- submit_sm_resp 0x00000401 #1 defects=body_missing"


def test_the_ring_keeps_the_last_frames_within_its_octets() -> None:
    ring = TraceRing(frames_max=3, octets_max=100)
    for number in range(5):
        ring.record(float(number), "in", bytes(20))
    assert [one.at for one in ring] == [2.0, 3.0, 4.0]
    ring.record(5.0, "in", bytes(70))
    assert [one.at for one in ring] == [4.0, 5.0]
    ring.enabled = False
    ring.record(6.0, "in", b"x")
    assert len(ring) == 2


def test_filter_by_number_or_message_id() -> None:
    assert mentions(traced(SUBMIT), MSISDN)
    assert not mentions(traced(SUBMIT), "447700900124")
    assert not mentions(traced(SUBMIT), "€")
