"""A record of smsc.receipts, read once."""

from base64 import b64encode
from typing import Any

import pytest

from schemas.joins import SeenReceipt
from services.correlator.join.receipts import ending, read_receipt
from services.correlator.join.rules import JoinRules, ReceiptOptions
from tests.unit.correlator.making import T0, Record, raw_receipt, receipt_record


def _seen(**changes: Any) -> SeenReceipt:
    maps = changes.pop("maps", {})
    rules = JoinRules({name: ReceiptOptions(words) for name, words in maps.items()})
    return read_receipt(receipt_record(raw_receipt(**changes), offset=7, partition=2), rules)


def test_a_usual_receipt() -> None:
    assert _seen() == SeenReceipt(
        partition=2,
        offset=7,
        record_at_ms=T0 + 5_010,
        received_at_ms=T0 + 5_000,
        connector_id="acme-1",
        smsc_message_id="00000001",
        id_in_tlv="",
        id_in_text="00000001",
        source_addr="447700900123",
        word="DELIVRD",
        status="delivered",
        reason="",
        smsc_error="",
        notification=False,
        detail="DELIVRD",
        raw=raw_receipt().to_json().decode(),
    )


def test_the_error_is_kept_as_text_and_zeros_are_none() -> None:
    assert _seen(stat="UNDELIV", err="21b").smsc_error == "21b"
    assert _seen(stat="UNDELIV", err="0000").smsc_error == ""


@pytest.mark.parametrize("code", [b"\x03\x00\x21", b"033"])
def test_the_network_error_code_tlv_stands_in_for_err(code: bytes) -> None:
    tlvs = [(0x0423, b64encode(code).decode())]
    assert _seen(stat="UNDELIV", tlvs=tlvs).smsc_error == "33"


def test_a_receipt_with_tlvs_alone() -> None:
    tlvs = [(0x001E, b64encode(b"A1\0").decode()), (0x0427, b64encode(b"\x05").decode())]
    seen = _seen(smsc_id="A1", short_message="", tlvs=tlvs)
    assert (seen.smsc_message_id, seen.status, seen.reason) == ("A1", "undeliverable", "smsc_undelivered")


def test_text_and_tlv_that_contradict_each_other_are_noted() -> None:
    seen = _seen(stat="EXPIRED", tlvs=[(0x0427, b64encode(b"\x02").decode())])
    assert seen.status == "delivered"
    assert "differ" in seen.detail


def test_the_connectors_receipt_map_is_used_for_its_receipts_only() -> None:
    maps = {"acme-1": {"0": "DELIVRD"}}
    assert _seen(stat="0", maps=maps).status == "delivered"
    assert _seen(stat="0", maps=maps, connector_id="beta-1").status == ""


@pytest.mark.parametrize(
    ("esm_class", "stat", "intermediate", "end"),
    [
        (0x04, "UNDELIV", True, "undeliverable"),
        (0x20, "UNDELIV", True, None),
        (0x20, "DELIVRD", True, "delivered"),
        (0x20, "UNDELIV", False, "undeliverable"),
        (0x24, "UNDELIV", True, "undeliverable"),
        (0x04, "ENROUTE", False, None),
    ],
)
def test_a_failure_in_an_asked_for_intermediate_notification_is_not_the_end(
    esm_class: int, stat: str, intermediate: bool, end: str | None
) -> None:
    assert ending(_seen(esm_class=esm_class, stat=stat), intermediate=intermediate) == end


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"[]",
        b"{}",
        raw_receipt(short_message="!").to_json().replace(b'"esm_class":4', b""),
        *(
            raw_receipt().to_json().replace(b'"tlvs":[]', b'"tlvs":%b' % tlvs)
            for tlvs in (
                b"[5]",
                b"[[1,2]]",
                b"[[1]]",
                b'[["1"]]',
                b"[null]",
                b'["ab"]',
                b'[{"a":1,"b":2}]',
                b"[[1e99,2]]",
            )
        ),
        raw_receipt().to_json().replace(b'"esm_class":4', b'"esm_class":' + b"4" * 30),
    ],
)
def test_what_is_no_receipt_raises_valueerror(value: bytes | None) -> None:
    with pytest.raises(ValueError):
        read_receipt(Record("smsc.receipts", 0, 0, T0, b"acme|1", value), JoinRules())
