"""Pure: submissions to lane records, rejections and re-routes."""

import base64
from typing import Any

import orjson
import pytest

from schemas.payloads.smpp import SmppPayload, smpp_payload
from schemas.reroutes import Reroute
from schemas.segments import SegmentedMessage
from schemas.statuses import Status
from schemas.submissions import Submission
from services.encoder.encode import Encoder, NotBase64
from services.encoder.remark import GROUPS_MAX
from tests.unit.encoder.scene import AT_MS, EVENTS, encoded, submission


def _as_it_was(reroute: Reroute) -> Submission:
    return Submission(**{name: getattr(reroute, name) for name in Submission.model_fields})


def _message(given: Any, **options: Any) -> SegmentedMessage:
    return SegmentedMessage.model_validate_json(encoded(given, **options)[0].value or b"", strict=True)


def test_a_short_text_becomes_one_lane_record_and_an_event() -> None:
    given = submission(metadata={"a": "b"})
    record, event = encoded(given)
    assert (record.topic, record.key, record.headers) == ("mt.segments.acme.txn", b"shop", (("h", b"1"),))
    assert SegmentedMessage.from_json(record.value or b"") == SegmentedMessage(
        context=given.context,
        content=given.content,
        connector_id="acme",
        expires_at_ms=given.expires_at_ms,
        encoding="gsm7",
        source_addr="SHOP",
        source_addr_ton=5,
        source_addr_npi=0,
        destination_addr="447700900123",
        dest_addr_ton=1,
        dest_addr_npi=1,
        esm_class=0,
        data_coding=0,
        registered_delivery=1,
        segments=[{"index": 1, "octets": base64.b64encode(b"Hello").decode()}],
    )
    written = orjson.loads(event.value or b"")
    assert (written["event"], written["encoding"], written["segments"]) == ("encoded", "gsm7", 1)
    assert (written["connector_id"], written["occurred_at_ms"]) == ("acme", AT_MS)
    assert "detail" not in written


@pytest.mark.parametrize(("receipt", "octet"), [("none", 0x00), ("final", 0x01), ("all", 0x11)])
def test_registered_delivery_is_what_the_receipt_asks_for(receipt: str, octet: int) -> None:
    assert _message(submission(receipt=receipt)).registered_delivery == octet


@pytest.mark.parametrize("queued", [False, True])
def test_the_lane_record_says_whether_queued_was_told(queued: bool) -> None:
    assert _message(submission(route_no=1, tried=["beta"], queued=queued)).queued is queued


def test_a_long_text_has_a_user_data_header_on_every_segment() -> None:
    message = _message(submission(text="x" * 400))
    octets = [base64.b64decode(segment.octets) for segment in message.segments]
    assert message.esm_class == 0x40
    assert [len(o) for o in octets] == [159, 159, 100]
    assert [o[:3] for o in octets] == [b"\x05\x00\x03"] * 3
    assert [(o[4], o[5]) for o in octets] == [(3, 1), (3, 2), (3, 3)]
    assert len({o[3] for o in octets}) == 1
    assert [segment.index for segment in message.segments] == [1, 2, 3]


def test_unicode_is_ucs2_and_the_event_says_why() -> None:
    record, event = encoded(submission(text="Grüße 😀", lane="otp"))
    message = SegmentedMessage.from_json(record.value or b"")
    assert record.topic == "mt.segments.acme.otp"
    assert (message.encoding, message.data_coding) == ("ucs2", 8)
    assert base64.b64decode(message.segments[0].octets) == "Grüße 😀".encode("utf-16-be")
    assert orjson.loads(event.value or b"")["detail"]


def test_binary_goes_as_it_is_with_its_own_header() -> None:
    udh, data = b"\x06\x05\x04\x0b\x84\x00\x00", b"\x01\x02\xff"
    message = _message(
        submission(data=base64.b64encode(data).decode(), udh=base64.b64encode(udh).decode(), data_coding=245)
    )
    assert (message.encoding, message.esm_class, message.data_coding) == ("binary", 0x40, 245)
    assert base64.b64decode(message.segments[0].octets) == udh + data


def test_flash_and_the_connectors_options_are_applied() -> None:
    assert _message(submission(flash=True)).data_coding == 0x10
    assert _message(submission(), data_coding_map={"gsm7": 241}, validity="none").data_coding == 241
    assert not _message(submission(), validity="none").send_validity
    assert not _message(submission()).absolute_validity
    assert _message(submission(), validity="absolute").absolute_validity
    sar = _message(submission(text="x" * 200), long_message="sar")
    assert sar.esm_class == 0
    assert [tag for tag, _ in sar.segments[1].tlvs] == [0x020C, 0x020E, 0x020F]
    assert base64.b64decode(sar.segments[1].tlvs[2][1]) == b"\x02"


def _detail(given: Submission, **options: Any) -> str:
    found: str = orjson.loads(encoded(given, **options)[1].value or b"").get("detail", "")
    return found


def test_the_event_tells_what_transliteration_changed() -> None:
    text = "“It’s” " + "a" * 93 + "\u00a0”\u200b"
    plain, translated = (submission(text=text, transliterate=t, max_segments=5) for t in (False, True))
    assert _message(plain).encoding == "ucs2"
    assert _message(translated).encoding == "gsm7"
    assert _detail(translated) == (
        "transliteration replaced 6 character(s): 1 segment(s) instead of 2 in ucs2; replaced: "
        "U+201C→\" at 1 (typographic quotation mark), U+2019→' at 4 (typographic quotation mark), "
        'U+201D→" at 6, 102 (typographic quotation mark), '
        "U+00A0→space at 101 (space of another width, or that does not break), "
        "U+200B→nothing at 103 (invisible character)"
    )


def test_the_event_never_tells_the_text_however_much_was_changed() -> None:
    text = "Zażółć gęślą jaźń ÁÉÍÓÚáéíóúâêîôûãõāēīōū" * 5
    detail = _detail(submission(text=text, transliterate=True))
    assert detail.count("→") == GROUPS_MAX
    assert detail.endswith(" other kinds")
    assert "U+017C→z at 3 and 4 more (letter without its accent)" in detail
    assert "jaźń" not in detail
    assert len(detail) < 2_000
    quotes = _detail(submission(text="“" * 100, transliterate=True))
    assert 'U+201C→" at 1, 2, 3, 4, 5 and 95 more (' in quotes


def test_the_event_tells_why_a_national_table_was_taken() -> None:
    detail = _detail(submission(text="Şişli'de görüşürüz ağaç " * 4), national_tables=["turkish"])
    assert detail == "national language table: turkish single shift: 1 segment(s) instead of 2 in ucs2"


def test_the_event_tells_what_the_smsc_will_cut() -> None:
    given = submission(text="x" * 400)
    words = "one submit_sm with message_payload, which the SMSC cuts into 3 segments"
    assert _detail(given, long_message="payload") == words
    assert orjson.loads(encoded(given, long_message="payload")[1].value or b"")["segments"] == 1
    assert _detail(given) == ""


def test_the_event_tells_what_of_the_sender_is_not_sent_as_written() -> None:
    given = submission(sender="ΩMEGA@")
    assert _message(given).source_addr == "OMEGA"
    assert _detail(given) == "sender: '@' and NUL dropped: 0x00 ends the address; sender: spelt in letters: 'Ω' as 'O'"


def test_a_sender_that_no_address_holds_is_refused() -> None:
    status_out, event = encoded(submission(sender="€€€€SHOP"))
    status = Status.model_validate_json(status_out.value or b"", strict=True)
    assert (status.status, status.reason, status.field) == ("rejected", "invalid_sender", "from")
    assert "over 11 characters" in orjson.loads(event.value or b"")["detail"]
    (reroute,) = encoded(submission(sender="€€€€SHOP", route_no=1))
    assert Reroute.from_json(reroute.value or b"").reason == "invalid_sender"


def test_look_alikes_are_taken_where_the_account_wants_them() -> None:
    given = {"text": "СОС" * 30, "transliterate": True}
    assert _message(submission(**given)).encoding == "ucs2"
    assert _message(submission(**given, lookalikes=True)).encoding == "gsm7"


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"text": "x" * 500, "max_segments": 3}, "text_too_long", "text"),
        ({"text": "x" * 65_536, "max_segments": 255}, "text_too_long", "text"),
        ({"text": "привет", "encoding": "gsm7"}, "not_encodable", "text"),
        ({"text": "€", "encoding": "latin1"}, "not_encodable", "text"),
    ],
)
def test_what_cannot_be_encoded_is_rejected_on_the_first_route(
    changes: dict[str, Any], reason: str, field: str
) -> None:
    status_out, event = encoded(submission(**changes, metadata={"a": "b"}))
    status = Status.model_validate_json(status_out.value or b"", strict=True)
    assert (status_out.topic, status.status, status.final) == ("mt.statuses", "rejected", True)
    assert (status.reason, status.field, status.connector_id, status.metadata) == (reason, field, "acme", {"a": "b"})
    written = orjson.loads(event.value or b"")
    assert (written["event"], written["reason"], written["field"]) == ("status", reason, field)
    assert written["detail"]


def test_on_a_later_route_it_goes_back_to_ingress() -> None:
    given = submission(text="x" * 500, max_segments=3, route_no=1, tried=["beta"], queued=True)
    (out,) = encoded(given)
    assert (out.topic, out.key) == ("mt.reroutes", given.context.message_id.encode())
    reroute = Reroute.from_json(out.value or b"")
    assert _as_it_was(reroute) == given
    assert (reroute.status, reroute.reason, reroute.field) == ("rejected", "text_too_long", "text")


@pytest.mark.parametrize(("route_no", "queued"), [(0, False), (1, False), (1, True)])
def test_a_removed_connector_hands_the_message_back(route_no: int, queued: bool) -> None:
    given = submission(route_no=route_no, queued=queued)
    (out,) = Encoder(EVENTS).connector_removed(given, AT_MS)
    reroute = Reroute.from_json(out.value or b"")
    assert (reroute.status, reroute.reason, _as_it_was(reroute)) == ("undeliverable", "connector_removed", given)


@pytest.mark.parametrize("field", ["data", "udh"])
def test_base64_that_ingress_cannot_have_written_names_its_field(field: str) -> None:
    with pytest.raises(NotBase64) as raised:
        encoded(submission(**({"data": "AQID"} | {field: "A"})))
    assert raised.value.field == field


def test_the_same_submission_gives_the_same_octets_on_every_replay() -> None:
    given = submission(text="x" * 400)
    assert encoded(given) == encoded(given)


def test_what_the_request_says_for_submit_sm_is_on_every_segment() -> None:
    given = submission(text="x" * 200, tlvs={"0x1401": "int2:300", "0x020A": "int:7"}, protocol_id=64, priority_flag=3)
    message = _message(given, long_message="sar")
    assert (message.protocol_id, message.priority_flag) == (64, 3)
    assert len(message.segments) == 2
    for segment in message.segments:
        assert segment.tlvs[-2:] == [(0x1401, "ASw="), (0x020A, "AAc=")]
        assert len(segment.tlvs) == 5
        payload = SmppPayload.model_validate(smpp_payload(message, segment.index, segment.octets, segment.tlvs))
        assert (payload.protocol_id, payload.priority_flag, payload.tlvs) == (64, 3, segment.tlvs)


def test_a_receipt_for_the_message_is_asked_for_with_its_last_segment() -> None:
    message = _message(submission(text="x" * 400, receipt="all"), receipt_scope="message")
    payloads = [SmppPayload.model_validate(smpp_payload(message, s.index, s.octets, s.tlvs)) for s in message.segments]
    assert [payload.registered_delivery for payload in payloads] == [0, 0, 0x11]
    assert message.receipt_scope == "message"
    assert _message(submission(), receipt_scope="message").receipt_scope == "segment", "of one segment"
    assert _message(submission(text="x" * 400, receipt="none"), receipt_scope="message").receipt_scope == "segment"


def test_intermediate_notifications_are_not_asked_for_where_the_smsc_refuses_that() -> None:
    assert _message(submission(receipt="all")).registered_delivery == 0x11
    assert _message(submission(receipt="all"), intermediate_receipts=False).registered_delivery == 0x01
    assert _message(submission(receipt="none"), intermediate_receipts=False).registered_delivery == 0
