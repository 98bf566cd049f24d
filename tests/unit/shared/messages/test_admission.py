"""Pure: admission, field by field."""

import base64
from typing import Any

import pytest

from schemas.reasons import REASONS
from shared.messages.admission import Admitted, NotAnObject, Rejected, admit
from tests.unit.ingress.scene import AT_MS, request


def _b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def test_a_plain_request_has_the_contracts_defaults() -> None:
    assert admit(request(), AT_MS, "txn") == Admitted(
        account_id="shop",
        idempotency_key=None,
        to="447700900123",
        sender=None,
        text="Hello",
        data=None,
        udh=None,
        data_coding=None,
        lane="txn",
        encoding="auto",
        transliterate=None,
        send_at_ms=None,
        campaign_id=None,
        tlvs=None,
        protocol_id=None,
        priority_flag=None,
        validity_s=86_400,
        receipt="final",
        connector_id=None,
        flash=False,
        metadata={},
    )


def test_the_lane_defaults_to_that_of_the_topic() -> None:
    otp = admit(request(), AT_MS, "otp")
    bulk = admit(request(lane="bulk"), AT_MS, "otp")
    assert isinstance(otp, Admitted) and isinstance(bulk, Admitted)
    assert (otp.lane, bulk.lane) == ("otp", "bulk")


@pytest.mark.parametrize(
    "fields",
    [
        {"text": ""},
        {"text": "  \n e\u0301 kept as it is "},
        {"text": "x" * 65_536},
        {"to": "1234567"},
        {"to": "+123456789012345"},
        {"from_": "123"},
        {"from_": "123456789012345"},
        {"from_": "Ärger [1]"},
        {"from_": "ABCDEFGHIJK"},
        {"from_": None, "idempotency_key": None, "metadata": None, "encoding": None, "lane": None},
        {"idempotency_key": "k" * 128},
        {"text": ..., "data": _b64(b"\x00\xff"), "udh": _b64(b"\x06\x05\x04\x0b\x84\x00\x00"), "data_coding": 245},
        {"text": ..., "data": "", "encoding": "auto", "transliterate": False},
        {"validity_s": 1},
        {"validity_s": 604_800},
        {"metadata": {str(n): "x" for n in range(16)}},
        {"metadata": {"k": "x" * 1023}},
        {"connector_id": "whatever"},
        {"schema_version": 1},
        {"send_at": "2026-09-21T14:13:30+00:00"},
        {"send_at": "2026-09-21t15:12:50.5+01:00"},
        {"send_at": "2026-09-21T14:14:21Z"},
        {"send_at": "2026-12-20T14:13:20Z"},
        {"unknown_field": {"a": [1, None]}, "sender": "an unknown field too, much too long to be a sender"},
    ],
)
def test_right_requests_are_admitted(fields: dict[str, Any]) -> None:
    assert isinstance(admit(request(**fields), AT_MS, "txn"), Admitted)  # AT_MS is 2026-09-21T14:13:20Z


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"account_id": ...}, "missing_field", "account_id"),
        ({"account_id": None}, "missing_field", "account_id"),
        ({"account_id": ""}, "invalid_field", "account_id"),
        ({"account_id": "a" * 65}, "invalid_field", "account_id"),
        ({"account_id": 5}, "invalid_field", "account_id"),
        ({"to": ...}, "missing_field", "to"),
        ({"to": 447700900123}, "invalid_field", "to"),
        ({"to": "0447700900123"}, "invalid_destination", "to"),
        ({"to": "+44 7700 900123"}, "invalid_destination", "to"),
        ({"to": "12"}, "invalid_destination", "to"),
        ({"to": "+12345"}, "invalid_destination", "to"),
        ({"to": "1234567890123456"}, "invalid_destination", "to"),
        ({"to": "447700900123\n"}, "invalid_destination", "to"),
        ({"to": "٤٤٧٧٠٠٩٠٠١٢٣"}, "invalid_destination", "to"),
        ({"from_": "twelveLetter"}, "invalid_sender", "from"),
        ({"from_": "12"}, "invalid_sender", "from"),
        ({"from_": "1234567890123456"}, "invalid_sender", "from"),
        ({"from_": "12-34"}, "invalid_sender", "from"),
        ({"from_": "+44"}, "invalid_sender", "from"),
        ({"tlvs": {"0x0424": "x"}}, "invalid_field", "tlvs"),
        ({"tlvs": {"0x1401": 7}}, "invalid_field", "tlvs"),
        ({"protocol_id": 256}, "invalid_field", "protocol_id"),
        ({"priority_flag": 4}, "invalid_field", "priority_flag"),
        ({"campaign_id": "c" * 65}, "invalid_field", "campaign_id"),
        ({"from_": "Łódź"}, "invalid_sender", "from"),
        ({"from_": "Shop\n"}, "invalid_sender", "from"),
        ({"from_": ""}, "invalid_sender", "from"),
        ({"from_": 123}, "invalid_field", "from"),
        ({"text": ...}, "body_conflict", "text"),
        ({"data": ""}, "body_conflict", "data"),
        ({"text": 5}, "invalid_field", "text"),
        ({"text": "x" * 65_537}, "text_too_long", "text"),
        ({"text": ..., "data": "A" * 65_540}, "text_too_long", "data"),
        ({"text": ..., "data": "not base64"}, "invalid_field", "data"),
        ({"text": ..., "data": "QQ"}, "invalid_field", "data"),
        ({"text": ..., "data": "QUFB\n"}, "invalid_field", "data"),
        ({"text": ..., "data": "QQ==", "udh": _b64(b"\x05\x00\x03")}, "invalid_field", "udh"),
        ({"text": ..., "data": "QQ==", "udh": ""}, "invalid_field", "udh"),
        ({"udh": _b64(b"\x01\x00")}, "body_conflict", "udh"),
        ({"data_coding": 4}, "body_conflict", "data_coding"),
        ({"text": ..., "data": "QQ==", "data_coding": 256}, "invalid_field", "data_coding"),
        ({"text": ..., "data": "QQ==", "data_coding": True}, "invalid_field", "data_coding"),
        ({"text": ..., "data": "QQ==", "encoding": "ucs2"}, "body_conflict", "encoding"),
        ({"text": ..., "data": "QQ==", "transliterate": True}, "body_conflict", "transliterate"),
        ({"lane": "express"}, "invalid_field", "lane"),
        ({"lane": ["otp"]}, "invalid_field", "lane"),
        ({"encoding": "utf8"}, "invalid_field", "encoding"),
        ({"transliterate": 1}, "invalid_field", "transliterate"),
        ({"validity_s": 0}, "invalid_field", "validity_s"),
        ({"validity_s": 604_801}, "invalid_field", "validity_s"),
        ({"validity_s": 60.0}, "invalid_field", "validity_s"),
        ({"validity_s": True}, "invalid_field", "validity_s"),
        ({"receipt": "every"}, "invalid_field", "receipt"),
        ({"flash": "yes"}, "invalid_field", "flash"),
        ({"connector_id": 1}, "invalid_field", "connector_id"),
        ({"idempotency_key": ""}, "invalid_field", "idempotency_key"),
        ({"idempotency_key": "k" * 129}, "invalid_field", "idempotency_key"),
        ({"metadata": {str(n): "" for n in range(17)}}, "invalid_field", "metadata"),
        ({"metadata": {"k": "é" * 512}}, "invalid_field", "metadata"),
        ({"metadata": {"k": 1}}, "invalid_field", "metadata"),
        ({"metadata": []}, "invalid_field", "metadata"),
        ({"schema_version": 2}, "unsupported", "schema_version"),
        ({"schema_version": 0}, "invalid_field", "schema_version"),
        ({"schema_version": "1"}, "invalid_field", "schema_version"),
        ({"send_at": "tomorrow"}, "invalid_field", "send_at"),
        ({"send_at": "2026-02-30T12:00:00Z"}, "invalid_field", "send_at"),
        ({"send_at": "0000-00-00T00:00:00Z"}, "invalid_field", "send_at"),
        ({"send_at": "2026-09-21T14:13:20"}, "invalid_field", "send_at"),
        ({"send_at": "2026-12-20T14:13:20.001Z"}, "schedule_out_of_range", "send_at"),
        ({"send_at": "9999-12-31T23:59:60-23:59"}, "schedule_out_of_range", "send_at"),
        ({"send_at": str(2**63)}, "invalid_field", "send_at"),
        ({"send_at": 2**63}, "invalid_field", "send_at"),
        ({"send_at": "2026-09-21T14:12:19Z"}, "schedule_out_of_range", "send_at"),
        ({"send_at": "0001-01-01T00:00:00+23:59"}, "schedule_out_of_range", "send_at"),
    ],
)
def test_wrong_requests_are_rejected_with_reason_and_field(fields: dict[str, Any], reason: str, field: str) -> None:
    rejected = admit(request(**fields), AT_MS, "txn")
    assert isinstance(rejected, Rejected)
    assert (rejected.reason, rejected.field) == (reason, field)
    assert reason in REASONS


def test_the_first_wrong_field_of_the_contract_is_named_whatever_the_order() -> None:
    one = admit(b'{"validity_s":0,"to":"x","account_id":"shop","text":"t"}', AT_MS, "txn")
    other = admit(b'{"account_id":"shop","text":"t","to":"x","validity_s":0}', AT_MS, "txn")
    assert one == other
    assert isinstance(one, Rejected)
    assert one.field == "to"


def test_what_could_be_read_is_kept_and_the_rest_is_none() -> None:
    rejected = admit(request(account_id=7, idempotency_key="k", metadata={"a": "b"}, to="12ab"), AT_MS, "txn")
    assert rejected == Rejected("invalid_field", "account_id", None, "k", "12ab", False, {"a": "b"}, None)
    huge = admit(request(to="9" * 70, idempotency_key=5, metadata={"a": 1}), AT_MS, "txn")
    assert huge == Rejected("invalid_field", "idempotency_key", "shop", None, None, False, {}, None)


@pytest.mark.parametrize(
    "value",
    [
        b'{"account_id":"shop","to":"447700900123","text":"a\\ud800b"}',
        b'{"account_id":"shop","to":"447700900123","text":"\\udc00\\ud83d"}',
        b'{"account_id":"shop","to":"447700900123","text":"a\xed\xa0\x80b"}',
    ],
)
def test_a_lone_surrogate_in_the_text_is_a_wrong_text(value: bytes) -> None:
    rejected = admit(value, AT_MS, "txn")
    assert rejected == Rejected("invalid_field", "text", "shop", None, "447700900123", True, {}, None)


@pytest.mark.parametrize("depth", [1, 2, 300, 900, 1_020, 30_000])
@pytest.mark.parametrize("field", ["metadata", "account_id", "note"])
@pytest.mark.parametrize("text", ["x", "\\ud800"])
def test_however_deep_an_object_goes_it_is_a_wrong_field_or_no_json(depth: int, field: str, text: str) -> None:
    """Some 2,000 octets once ended the process: with a lone surrogate anywhere every field was looked through."""
    nested = '{"a":' * depth + '"x"' + "}" * depth
    body = {"account_id": '"shop"', "to": '"447700900123"', "text": f'"{text}"'} | {field: nested}
    found = admit(("{" + ",".join(f'"{name}":{value}' for name, value in body.items()) + "}").encode(), AT_MS, "txn")
    if isinstance(found, Rejected):
        assert (found.reason, found.field) in {("invalid_field", field), ("invalid_field", "text")}
    elif isinstance(found, Admitted):
        assert field == "note" or depth == 1
    else:
        assert depth > 900


def test_a_number_has_one_form_whether_it_is_taken_or_not() -> None:
    rejected = admit(request(to="+447700900123", lane="express"), AT_MS, "txn")
    assert isinstance(rejected, Rejected)
    assert (rejected.to, rejected.is_number) == ("447700900123", True)


def test_a_lone_surrogate_elsewhere_names_that_field_or_does_not_matter() -> None:
    body = b'"account_id":"shop","to":"447700900123","text":"t"'
    metadata = admit(b"{" + body + b',"metadata":{"\\udfff":"x"}}', AT_MS, "txn")
    assert isinstance(metadata, Rejected)
    assert (metadata.reason, metadata.field, metadata.metadata) == ("invalid_field", "metadata", {})
    account = admit(b'{"account_id":"\\ud800","to":"447700900123","text":"t"}', AT_MS, "txn")
    assert isinstance(account, Rejected)
    assert (account.field, account.account_id) == ("account_id", None)
    assert isinstance(admit(b"{" + body + b',"note":"\\ud800"}', AT_MS, "txn"), Admitted)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"hello",
        b"\xff\xfe",
        b"[1]",
        b"null",
        b'"text"',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1',
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"a":' + b"9" * 5000 + b"}",
        b"\xef\xbb\xbf{}",
    ],
)
def test_what_is_no_json_object_is_for_the_dead_letters(value: bytes | None) -> None:
    assert isinstance(admit(value, AT_MS, "txn"), NotAnObject)


def test_of_a_repeated_field_the_last_counts() -> None:
    admitted = admit(b'{"account_id":"shop","to":"x","to":"447700900123","text":"t"}', AT_MS, "txn")
    assert isinstance(admitted, Admitted)
