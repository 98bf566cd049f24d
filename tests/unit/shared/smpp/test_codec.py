import contextlib
from pathlib import Path

import pytest

from shared.smpp import pdu
from shared.smpp.codec import (
    FramingLost,
    NeedMore,
    UnparsablePdu,
    decode_frame,
    decode_next,
    encode,
    encode_body,
    response_to,
)
from shared.smpp.config import EsmeConfig, SmscConfig
from shared.smpp.constants import COMMAND_LENGTH_MAX, SmppCommand, SmppCommandStatus
from shared.smpp.errors import UnencodablePdu
from shared.smpp.fields import COMMAND_SPECS
from shared.smpp.server_session import SmscSession
from shared.smpp.session import EsmeSession
from shared.smpp.tlv import Tag, Tlv, integer
from tests.vectors import wireshark
from tests.vectors.oracles import ORACLES
from tests.vectors.pdus import Vector, load_vectors

VECTORS = load_vectors()
each_vector = pytest.mark.parametrize("vector", VECTORS, ids=[vector.name for vector in VECTORS])


def header(command_length: int, command_id: int = 4, status: int = 0, sequence_number: int = 1) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in (command_length, command_id, status, sequence_number))


def bound_esme() -> EsmeSession:
    session = EsmeSession(EsmeConfig(), now=0.0)
    session.bind(0.0)
    session.receive_data(encode_body(pdu.BindTransceiverResp(), 1), 0.0)
    session.data_to_send()
    return session


def bound_smsc() -> SmscSession:
    session = SmscSession(SmscConfig(), now=0.0)
    session.receive_data(encode_body(pdu.BindTransceiver(), 1), 0.0)
    session.accept_bind(0.0)
    session.data_to_send()
    return session


# ------------------------------------------------------------------------------------ golden vectors, used six ways


def test_vectors_cover_every_command() -> None:
    assert {vector.expected.command_id for vector in VECTORS} == set(COMMAND_SPECS)


@each_vector
def test_vector_decodes(vector: Vector) -> None:
    assert decode_next(vector.frame) == (vector.expected, len(vector.frame))


@each_vector
def test_vector_encodes(vector: Vector) -> None:
    assert encode(vector.expected).hex() == vector.canonical.hex()


@each_vector
def test_vector_needs_more_at_every_length_below_its_own(vector: Vector) -> None:
    for length in range(len(vector.frame)):
        outcome, following = decode_next(vector.frame[:length])
        assert isinstance(outcome, NeedMore)
        assert following == 0
        assert 0 < outcome.octets <= len(vector.frame) - length


@each_vector
def test_vector_decodes_with_octets_before_and_behind(vector: Vector) -> None:
    data = b"\xff\xff" + vector.frame + b"\x00\x00\x00"
    assert decode_next(data, 2) == (vector.expected, 2 + len(vector.frame))


@each_vector
def test_vector_cut_inside_its_body_is_a_pdu_or_unparsable(vector: Vector) -> None:
    for length in range(16, len(vector.frame)):
        outcome, following = decode_next(length.to_bytes(4, "big") + vector.frame[4:length])
        assert isinstance(outcome, pdu.Pdu | UnparsablePdu)
        assert following == length


@each_vector
def test_vector_with_one_flipped_bit_is_one_of_the_four_outcomes(vector: Vector) -> None:
    for bit in range(8 * len(vector.frame)):
        flipped = bytearray(vector.frame)
        flipped[bit // 8] ^= 1 << bit % 8
        outcome, _ = decode_next(bytes(flipped))
        assert isinstance(outcome, NeedMore | pdu.Pdu | UnparsablePdu | FramingLost)


@each_vector
def test_vector_fed_to_a_session_octet_by_octet_is_as_fed_whole(vector: Vector) -> None:
    for bound in (bound_esme, bound_smsc):
        whole, piecemeal = bound(), bound()
        events = whole.receive_data(vector.frame, 1.0)
        one_by_one = [event for octet in vector.frame for event in piecemeal.receive_data(bytes((octet,)), 1.0)]
        assert one_by_one == events
        assert piecemeal.data_to_send() == whole.data_to_send()
        assert (piecemeal.state, piecemeal.unanswered) == (whole.state, whole.unanswered)


@each_vector
def test_vector_is_read_alike_by_the_codecs_that_agreed_and_by_no_other(vector: Vector) -> None:
    """A codec that begins or ceases to agree, after an update of either side, is looked at by a person."""
    agreed = []
    for name, again in ORACLES.items():
        with contextlib.suppress(Exception):  # each has its own way to say that it does not know something
            if again(vector.frame) == vector.frame:
                agreed.append(name)
    assert agreed == [name for name in vector.agreed_by if name != "wireshark"]


@pytest.mark.skipif(wireshark.version() is None, reason="no tshark that runs on PATH: install Wireshark's for this one")
def test_vectors_are_read_alike_by_the_dissector_of_wireshark(tmp_path: Path) -> None:
    """The version that was recorded agrees with no other vector; a newer one may."""
    dissections = wireshark.dissect([vector.frame for vector in VECTORS], tmp_path)
    read_alike = zip(VECTORS, dissections, strict=True)
    agreed = {vector.name for vector, found in read_alike if found == wireshark.expected(vector.expected)}
    recorded = {vector.name for vector in VECTORS if "wireshark" in vector.agreed_by}
    assert recorded <= agreed
    if wireshark.version() == wireshark.RECORDED_WITH:
        assert recorded == agreed


def test_what_nobody_else_reads_has_a_defect() -> None:
    lonely = {vector.name for vector in VECTORS if not vector.agreed_by and not vector.expected.defects}
    assert lonely == set()


# ------------------------------------------------------------------------------------------------------ four outcomes


@pytest.mark.parametrize("command_length", [0, 15, COMMAND_LENGTH_MAX + 1, 0xFFFFFFFF])
def test_a_command_length_without_sense_loses_the_framing(command_length: int) -> None:
    assert decode_next(header(command_length)) == (FramingLost(command_length), 0)
    assert decode_next(header(command_length)[:4]) == (FramingLost(command_length), 0)


def test_the_largest_payload_is_within_the_limit() -> None:
    body = pdu.DataSm(tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, bytes(65535)),))
    frame = encode_body(body, 1)
    assert decode_frame(frame) == pdu.Pdu(1, body)


def test_q31_unknown_command_is_unparsable_and_named() -> None:
    outcome, following = decode_next(header(18, command_id=0x99, sequence_number=7) + b"xx")
    assert outcome == UnparsablePdu(0x99, 0, 7, SmppCommandStatus.ESME_RINVCMDID, "unknown command_id")
    assert following == 18


def test_a_request_without_its_fields_is_unparsable_with_a_length_error() -> None:
    outcome = decode_frame(header(16, command_id=SmppCommand.SUBMIT_SM))
    assert isinstance(outcome, UnparsablePdu)
    assert outcome.answer_status == SmppCommandStatus.ESME_RINVCMDLEN


def test_sm_length_beyond_the_body_is_unparsable_with_a_message_length_error() -> None:
    frame = bytearray(encode_body(pdu.SubmitSm(short_message=b"hello"), 1))
    frame[-6] = 9
    outcome = decode_frame(bytes(frame))
    assert isinstance(outcome, UnparsablePdu)
    assert outcome.answer_status == SmppCommandStatus.ESME_RINVMSGLEN


def test_submit_multi_with_an_unknown_dest_flag_is_unparsable() -> None:
    frame = encode_body(pdu.SubmitMulti(dest_address=(pdu.DistributionList("x"),)), 1).replace(
        b"\x01\x02x", b"\x01\x03x"
    )
    outcome = decode_frame(frame)
    assert isinstance(outcome, UnparsablePdu)
    assert outcome.answer_status == SmppCommandStatus.ESME_RINVDESTFLAG


# -------------------------------------------------------------------------------------------------------- the quirks


@pytest.mark.parametrize("command_status", [0x08, 0x14, 0x58, 0x401, 0xFFFFFFFF])
@pytest.mark.parametrize("body", [b"", b"\0", b"id\0"])
def test_q26_error_response_with_or_without_body(command_status: int, body: bytes) -> None:
    decoded = decode_frame(header(16 + len(body), SmppCommand.SUBMIT_SM_RESP, command_status) + body)
    assert isinstance(decoded, pdu.Pdu)
    assert decoded.command_status == command_status
    assert isinstance(decoded.body, pdu.SubmitSmResp)
    assert decoded.body.message_id == (body[:-1].decode() if body else None)


def test_q27_submit_sm_resp_without_message_id() -> None:
    decoded = decode_frame(header(16, SmppCommand.SUBMIT_SM_RESP))
    assert decoded == pdu.Pdu(1, pdu.SubmitSmResp(None), defects=("body_missing",))


@pytest.mark.parametrize(
    ("body", "system_id", "version"),
    [
        (b"", "", None),
        (b"\0", "", None),
        (b"SMSC", "SMSC", None),
        (b"S" * 40 + b"\0", "S" * 40, None),
        (b"SMSC\0\x02\x10\x00\x01\x34", "SMSC", 0x34),
        (b"SMSC\0\x02\x10\x00\x02\x00\x34", "SMSC", 0x34),
        (b"SMSC\0\x02\x10\x00\x09\x34", "SMSC", None),
    ],
)
def test_q28_bind_resp_of_any_form(body: bytes, system_id: str, version: int | None) -> None:
    decoded = decode_frame(header(16 + len(body), SmppCommand.BIND_TRANSCEIVER_RESP) + body)
    assert isinstance(decoded, pdu.Pdu)
    assert isinstance(decoded.body, pdu.BindTransceiverResp)
    assert decoded.body.system_id == system_id
    assert integer(decoded.body.tlvs, Tag.SC_INTERFACE_VERSION) == version


def test_q29_surplus_nul_is_skipped_only_where_sm_length_proves_it() -> None:
    text = b"stat:DELIVRD"
    inside = encode_body(pdu.DeliverSm(short_message=text + b"\0"), 1)
    decoded = decode_frame(inside)
    assert isinstance(decoded, pdu.Pdu)
    assert isinstance(decoded.body, pdu.DeliverSm)
    assert decoded.body.short_message == text + b"\0"  # counted by sm_length: it may be an '@'
    behind = encode_body(pdu.DeliverSm(short_message=text), 1) + b"\0"
    decoded = decode_frame(len(behind).to_bytes(4, "big") + behind[4:])
    assert decoded == pdu.Pdu(1, pdu.DeliverSm(short_message=text), defects=("surplus_nul",))


@pytest.mark.parametrize(
    "tlvs", [(Tlv(Tag.MESSAGE_STATE, b"\2"),), (Tlv(0x1401, b"ab"), Tlv(Tag.MESSAGE_STATE, b"\2"))]
)
@pytest.mark.parametrize(("counted", "defect"), [(1, "sm_length_over"), (-1, "sm_length_under")])
def test_q29_parameters_survive_an_sm_length_that_is_off_by_one(
    tlvs: tuple[Tlv, ...], counted: int, defect: str
) -> None:
    body = pdu.DeliverSm(esm_class=4, short_message=b"id:1 stat:DELIVRD", tlvs=tlvs)
    frame = bytearray(encode_body(body, 1))
    frame[frame.index(b"id:1") - 1] += counted
    assert decode_frame(bytes(frame)) == pdu.Pdu(1, body, defects=(defect,))


def test_q29_what_parses_nowhere_keeps_its_text_as_counted() -> None:
    whole = encode_body(pdu.DeliverSm(short_message=b"hello"), 1) + b"\x04\x27\x00\x09\x02"
    decoded = decode_frame(len(whole).to_bytes(4, "big") + whole[4:])
    assert decoded == pdu.Pdu(1, pdu.DeliverSm(short_message=b"hello"), defects=("broken_tlvs",))


def test_q31_unknown_tlvs_and_repeated_ones_are_kept_raw() -> None:
    tlvs = (Tlv(0x1401, b"\xff\x00"), Tlv(0x3FFF), Tlv(0x1401, b"again"))
    body = pdu.DeliverSm(tlvs=tlvs)
    assert decode_frame(encode_body(body, 1)) == pdu.Pdu(1, body)


def test_q32_deliver_sm_resp_has_an_empty_message_id() -> None:
    assert encode_body(pdu.DeliverSmResp(), 0x20).hex() == "0000001180000005000000000000002000"


def test_q46_blank_and_odd_texts_of_a_bind_survive() -> None:
    for text in ("", "VMA", "\xe9\xff", "x" * 60):
        body = pdu.BindTransceiver(system_type=text, address_range=text)
        assert decode_frame(encode_body(body, 1)) == pdu.Pdu(1, body)


@pytest.mark.parametrize("version", [0x00, 0x33, 0x34, 0x50, 0xFF])
def test_q47_any_interface_version_is_read(version: int) -> None:
    body = pdu.BindTransceiver(system_id="a", interface_version=version)
    assert decode_frame(encode_body(body, 1)) == pdu.Pdu(1, body)


def test_q48_long_password_and_system_id_go_out_and_come_back() -> None:
    body = pdu.BindTransceiver(system_id="s" * 40, password="p" * 64)
    assert decode_frame(encode_body(body, 1)) == pdu.Pdu(1, body)


def test_any_data_coding_and_esm_class_survive() -> None:
    for octet in range(256):
        body = pdu.DeliverSm(data_coding=octet, esm_class=255 - octet, registered_delivery=octet)
        assert decode_frame(encode_body(body, 1)) == pdu.Pdu(1, body)


# ----------------------------------------------------------------------------------------------------------- encoding


@pytest.mark.parametrize(
    "body",
    [
        pdu.SubmitSm(source_addr="A\0B"),
        pdu.SubmitSm(destination_addr="€"),
        pdu.SubmitSm(short_message=bytes(256)),
        pdu.SubmitSm(data_coding=256),
        pdu.SubmitSm(esm_class=-1),
        pdu.SubmitSm(tlvs=(Tlv(0x10000),)),
        pdu.SubmitSm(tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, bytes(65536)),)),
        pdu.SubmitSm(tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, bytes(65535)), Tlv(0x1400, bytes(2000)))),
        pdu.DataSm(source_addr="A\0B"),
        pdu.DataSm(data_coding=300),
        pdu.DataSm(tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, bytes(65535)), Tlv(0x1400, bytes(2000)))),
        pdu.SubmitMulti(dest_address=(pdu.DestinationAddress(),) * 256),
        pdu.SubmitMultiResp(unsuccess_sme=(pdu.UnsuccessSme(error_status_code=-1),)),
        pdu.BindTransceiver(system_id="é€"),
    ],
)
def test_what_cannot_be_framed_is_refused(body: pdu.Body) -> None:
    with pytest.raises(UnencodablePdu):
        encode_body(body, 1)


@pytest.mark.parametrize("command_id", sorted(COMMAND_SPECS))
def test_every_request_has_its_response_and_nothing_answers_a_response(command_id: int) -> None:
    response = response_to(command_id)
    if command_id | 0x80000000 in COMMAND_SPECS and not command_id & 0x80000000:
        assert response.command_id == command_id | 0x80000000
    else:
        assert response == pdu.GenericNack()
