"""Pure: a dispatch record becomes a submit_sm, or a dead letter."""

import base64

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.payloads.smpp import SmppPayload
from services.binder.submit.dispatch_record import DispatchedSegment, SegmentId, Unreadable, read_dispatch, read_id
from shared.smpp.tlv import Tlv
from tests.integration.binder_rig import dispatch_record
from tests.stateful.test_journal_machine import Record


def segment(**changes: object) -> DispatchedSegment:
    found = read_dispatch(Record(9, dispatch_record(1, **changes).to_json()))
    assert isinstance(found, DispatchedSegment)
    return found


def test_a_dispatch_becomes_its_submit_sm() -> None:
    octets = bytes(range(140))
    found = segment(
        octets=base64.b64encode(octets).decode(),
        esm_class=0x40,
        data_coding=8,
        lane="otp",
        expires_at_ms=90_061_000,
        tlvs=[(0x020C, base64.b64encode(b"\1\2").decode())],
    )
    pdu = found.payload.submit_sm(90_061_000, 0, (Tlv(0x1401, b"v"),))
    assert (found.offset, found.otp, found.spacing_us) == (9, True, 500)
    assert (pdu.source_addr, pdu.source_addr_ton, pdu.source_addr_npi) == ("SHOP", 5, 0)
    assert (pdu.destination_addr, pdu.dest_addr_ton, pdu.dest_addr_npi) == ("490000000001", 1, 1)
    assert (pdu.esm_class, pdu.data_coding, pdu.registered_delivery, pdu.short_message) == (0x40, 8, 1, octets)
    assert pdu.tlvs == (Tlv(0x020C, b"\1\2"), Tlv(0x1401, b"v"))


def test_a_parameter_of_the_message_stands_for_the_connectors_with_the_same_tag() -> None:
    found = segment(tlvs=[(0x1401, base64.b64encode(b"mine").decode())])
    pdu = found.payload.submit_sm(1, 0, (Tlv(0x1401, b"ours"), Tlv(0x1402, b"x")))
    assert pdu.tlvs == (Tlv(0x1401, b"mine"), Tlv(0x1402, b"x"))


@pytest.mark.parametrize(
    ("left_ms", "period"),
    [(90_061_000, "000001010101000R"), (1, "000000000001000R"), (1001, "000000000002000R"), (-5, "000000000001000R")],
)
def test_q44_validity_is_what_is_left_relative(left_ms: int, period: str) -> None:
    assert segment().payload.submit_sm(left_ms, 0).validity_period == period


@pytest.mark.parametrize(
    ("left_ms", "period"), [(90_061_000, "231115231421000+"), (1, "231114221321000+"), (1_250, "231114221321200+")]
)
def test_q44_validity_as_a_time(left_ms: int, period: str) -> None:
    found = segment(absolute_validity=True).payload.submit_sm(left_ms, 1_700_000_000_000)
    assert found.validity_period == period


def test_q44_none_leaves_it_out() -> None:
    assert segment(send_validity=False).payload.submit_sm(1, 0).validity_period == ""


def test_q46_service_type_is_blank() -> None:
    assert segment().payload.submit_sm(1, 0).service_type == ""


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("octets", "***"),
        ("esm_class", "0"),
        ("source_addr", 5),
        ("expires_at_ms", None),
        ("tlvs", [[1]]),
        ("spacing_us", 0),
        ("spacing_us", -1),
        ("spacing_us", 3_600_000_000_000),  # nothing else would be sent for weeks
    ],
)
def test_a_wrong_field_makes_it_unreadable_but_keeps_the_id(change: str, value: object) -> None:
    fields = dispatch_record(1).to_dict()
    (fields["payload"] if change in SmppPayload.model_fields else fields)[change] = value
    found = read_dispatch(Record(3, orjson.dumps(fields)))
    if change == "esm_class" and value == "0":
        assert isinstance(found, DispatchedSegment), "what the model reads is read"
    else:
        assert isinstance(found, Unreadable)
        assert found.id == fields["id"]


@pytest.mark.parametrize("changes", [{"kind": "carrier-pigeon"}, {"payload": {}}, {"payload": []}])
def test_a_payload_that_nobody_reads_makes_it_unreadable(changes: dict[str, object]) -> None:
    assert isinstance(read_dispatch(Record(3, orjson.dumps(dispatch_record(1).to_dict() | changes))), Unreadable)


def test_protocol_id_and_priority_flag_are_passed_on() -> None:
    pdu = segment(protocol_id=0x41, priority_flag=3).payload.submit_sm(1, 0)
    assert (pdu.protocol_id, pdu.priority_flag) == (0x41, 3)


@given(st.binary(max_size=60) | st.none())
def test_reading_never_raises(value: bytes | None) -> None:
    assert isinstance(read_dispatch(Record(0, value)), Unreadable)


def test_ids() -> None:
    assert read_id("m-1/2/3/4") == SegmentId("m-1", 2, 3, 4)
    for text in ("", "m", "m/1/2", "m/1/2/x", "m/1/2/3/4"):
        assert read_id(text) is None
