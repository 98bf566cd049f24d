"""Edge: which PDUs a trace shows: by number and by message, both directions, answers and receipts included."""

import pytest

from services.binder.smpp.trace_filter import REMEMBERED_MAX, Remembered, SmscIds, TracedNumber, TraceFilter
from shared.smpp import pdu
from shared.smpp.codec import encode_body
from shared.smpp.tlv import Tag, Tlv, text_tlv
from shared.sms.smsc_message_id import MessageIdFormat

MSISDN, OTHER = "447700900123", "447700900124"
MINE, THEIRS = "00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000002"


def submit(number: int, to: str = MSISDN, text: bytes = b"hello") -> bytes:
    return encode_body(pdu.SubmitSm(destination_addr=to, short_message=text), number)


def accepted(number: int, smsc_message_id: str = "8A03") -> bytes:
    return encode_body(pdu.SubmitSmResp(smsc_message_id), number)


def receipt(number: int, smsc_message_id: str, source: str = "x") -> bytes:
    text = f"id:{smsc_message_id} stat:DELIVRD err:000 text:".encode()
    return encode_body(pdu.DeliverSm(source_addr=source, esm_class=4, short_message=text), number)


def taken(number: int) -> bytes:
    return encode_body(pdu.DeliverSmResp(), number)


def by_message(smsc_ids: SmscIds | None = None) -> TraceFilter:
    return TraceFilter("", MINE, smsc_ids or SmscIds("raw"))


def by_number(msisdn: str = MSISDN) -> TraceFilter:
    return TraceFilter(msisdn, "", SmscIds("raw"))


def test_without_a_filter_everything_is_shown() -> None:
    everything = TraceFilter("", "", SmscIds("raw"))
    for frame in (submit(1), encode_body(pdu.EnquireLink(), 2), b"abc"):
        assert everything.wants("out", frame, "")


def test_a_message_is_followed_from_its_submit_to_its_receipt() -> None:
    wanted = by_message()
    assert wanted.wants("out", submit(7), MINE)
    assert not wanted.wants("out", submit(8), THEIRS)
    assert not wanted.wants("in", accepted(8, "8A04"), THEIRS)
    assert wanted.wants("in", accepted(7), MINE)
    assert wanted.wants("in", receipt(70, "8A03"), "")
    assert not wanted.wants("in", receipt(71, "8A04"), "")
    assert wanted.wants("out", taken(70), "")
    assert not wanted.wants("out", taken(71), "")
    assert not wanted.wants("out", taken(70), ""), "once"


def test_numbers_of_the_two_directions_are_not_mixed_up() -> None:
    wanted = by_message()
    assert wanted.wants("out", submit(7), MINE)
    assert not wanted.wants("out", taken(7), ""), "the answer to a request of the peer with the same number"
    assert wanted.wants("in", encode_body(pdu.GenericNack(), 7, 3), ""), "the answer to ours"


def test_a_submit_that_passed_before_the_trace_is_known_by_its_response() -> None:
    assert by_message().wants("in", accepted(7), MINE)


def test_receipts_come_over_any_bind() -> None:
    ids = SmscIds("raw")
    first, second = by_message(ids), by_message(ids)
    first.wants("out", submit(7), MINE)
    first.wants("in", accepted(7), MINE)
    assert second.wants("in", receipt(1, "8A03"), "")


@pytest.mark.parametrize(
    ("id_format", "in_response", "in_receipt"),
    [("raw", "008a03", "8A03"), ("hex", "8A03", "0000035331"), ("dec", "35331", "8a03"), ("auto", "8A03", "35331")],
)
def test_q1_q2_ids_are_compared_as_the_connector_writes_them(
    id_format: MessageIdFormat, in_response: str, in_receipt: str
) -> None:
    wanted = by_message(SmscIds(id_format))
    wanted.wants("out", submit(7), MINE)
    wanted.wants("in", accepted(7, in_response), MINE)
    assert wanted.wants("in", receipt(1, in_receipt), "")
    assert not wanted.wants("in", receipt(2, "99999"), "")


def test_a_receipt_of_parameters_only_is_one() -> None:
    wanted = by_message()
    wanted.wants("in", accepted(7), MINE)
    body = pdu.DeliverSm(tlvs=(text_tlv(Tag.RECEIPTED_MESSAGE_ID, "8A03"),))
    assert wanted.wants("in", encode_body(body, 1), "")


def test_what_has_passed_is_found_by_the_ids_that_are_known() -> None:
    ids = SmscIds("raw")
    ids.add("8A03")
    wanted = by_message(ids)
    story = [("out", submit(7)), ("out", submit(8)), ("in", accepted(8, "8A04")), ("in", accepted(7, "8A03"))]
    for direction, frame in story:
        wanted.recall(direction, frame)
    assert [wanted.wants(direction, frame, "") for direction, frame in story] == [True, False, False, True]


@pytest.mark.parametrize(
    "frame",
    [
        submit(1),
        encode_body(pdu.DeliverSm(source_addr="+" + MSISDN), 1),
        encode_body(pdu.DeliverSm(source_addr="07700900123"), 1),
        encode_body(pdu.DeliverSm(source_addr="00" + MSISDN), 1),
        encode_body(pdu.DataSm(destination_addr=MSISDN), 1),
        encode_body(pdu.AlertNotification(source_addr=MSISDN), 1),
        encode_body(pdu.SubmitMulti(dest_address=(pdu.DestinationAddress(1, 1, MSISDN),)), 1),
        submit(1, OTHER, f"call {MSISDN}".encode()),
        submit(1, OTHER, f"Anruf von +{MSISDN} um 12 Uhr, schöne Grüße".encode("utf-16-be")),
        encode_body(pdu.SubmitSm(tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, MSISDN.encode("utf-16-be")),)), 1),
        receipt(1, "8A03", MSISDN),
    ],
)
@pytest.mark.parametrize("msisdn", [MSISDN, "+" + MSISDN])
def test_a_number_is_found_in_addresses_and_texts(frame: bytes, msisdn: str) -> None:
    assert by_number(msisdn).wants("in", frame, "")


@pytest.mark.parametrize(
    "frame",
    [
        submit(1, OTHER),
        encode_body(pdu.EnquireLink(), 1),
        encode_body(pdu.DeliverSm(source_addr="123"), 1),
        encode_body(pdu.DeliverSm(source_addr=MSISDN[-5:]), 1),
        encode_body(pdu.QuerySm(message_id=MSISDN), 1),
        encode_body(pdu.DeliverSm(source_addr="99" + MSISDN[:6], short_message=b"7700"), 1),
        bytes(4),
    ],
)
def test_and_not_elsewhere(frame: bytes) -> None:
    assert not by_number().wants("in", frame, "")


def test_the_answers_to_a_number_are_shown_and_so_is_a_receipt_without_it() -> None:
    wanted = by_number()
    assert wanted.wants("out", submit(7), MINE)
    assert wanted.wants("in", accepted(7), MINE)
    assert wanted.wants("in", receipt(1, "8A03", source=""), "")
    assert wanted.wants("out", taken(1), "")
    assert not wanted.wants("in", accepted(8), THEIRS)


def test_the_national_form_finds_the_international_one() -> None:
    assert by_number("07700900123").wants("out", submit(1), "")
    assert not TracedNumber("12345").stands_in(pdu.SubmitSm(destination_addr="0012"))


def test_what_cannot_be_decoded_is_shown_when_the_number_is_in_it() -> None:
    broken = submit(1)[:-3]
    assert by_number().wants("out", broken, "")


def test_what_is_remembered_has_a_limit() -> None:
    members = Remembered(limit=3)
    for number in range(5):
        members.add(number)
    assert [number in members for number in range(5)] == [False, False, True, True, True]
    assert members.discard(4)
    assert not members.discard(4)
    assert REMEMBERED_MAX >= 1000
