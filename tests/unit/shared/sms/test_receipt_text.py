"""Receipts as they come in the field."""

import pytest

from shared.sms.receipt_text import NetworkErrorCode, parse_receipt

USUAL = (
    b"id:0123456789 sub:001 dlvrd:001 submit date:2401021200 done date:2401021201 stat:DELIVRD err:000 text:Hello, w"
)


def test_the_form_of_appendix_b() -> None:
    receipt = parse_receipt(USUAL)
    assert (receipt.smsc_message_id, receipt.word) == ("0123456789", "DELIVRD")
    assert (receipt.sub, receipt.dlvrd, receipt.err, receipt.err_number) == (1, 1, "000", 0)
    assert (receipt.submit_date, receipt.done_date) == ("2401021200", "2401021201")
    assert (receipt.submitted_at_ms, receipt.done_at_ms) == (1_704_196_800_000, 1_704_196_860_000)
    assert (receipt.text, receipt.unknown, receipt.conflicts) == ("Hello, w", (), ())
    assert receipt.raw == USUAL.decode()


@pytest.mark.parametrize(
    ("short_message", "expected"),
    [
        (b"stat:UNDELIV id:42", ("42", "UNDELIV", "", "")),
        (b"ID : 42 , STAT : undeliv ; ERR : 21b", ("42", "UNDELIV", "21b", "")),
        (b"id:42 stat:EXPIRED err:No route to host text:bye", ("42", "EXPIRED", "No route to host", "bye")),
        (b"id:42\r\nstat:REJECTED\r\nText:id:7 stat:DELIVRD", ("42", "REJECTD", "", "id:7 stat:DELIVRD")),
        (b"id:42 status:Delivered err:0", ("42", "DELIVRD", "0", "")),
        (b"text:hello id:42 stat:DELETED", ("42", "DELETED", "", "hello")),
        (b"id:a1b2-c3:d4 stat:ACCEPTD", ("a1b2-c3:d4", "ACCEPTD", "", "")),
        (b"id:42 id:43 stat:DELIVRD stat:UNDELIV", ("42", "DELIVRD", "", "")),
        (b"id:42 stat:DELIVRD text:abc\0", ("42", "DELIVRD", "", "abc")),
        (b"\x05\x00\x03\x01\x02\x01id:42 stat:DELIVRD", ("42", "DELIVRD", "", "")),
        (b"Delivered, thank you", ("", "UNKNOWN", "", "")),
        (b"", ("", "UNKNOWN", "", "")),
        (b"id: stat: err:", ("", "UNKNOWN", "", "")),
    ],
)
def test_what_smscs_write_instead(short_message: bytes, expected: tuple[str, str, str, str]) -> None:
    receipt = parse_receipt(short_message)
    assert (receipt.smsc_message_id, receipt.word, receipt.err, receipt.text) == expected


def test_unknown_fields_are_kept() -> None:
    receipt = parse_receipt(b"id:42 nwk:26201 stat:DELIVRD price:0.05 text:x")
    assert receipt.unknown == (("nwk", "26201"), ("price", "0.05"))


def test_tlvs_without_text() -> None:
    receipt = parse_receipt(b"", [(0x001E, b"6AAD5\0"), (0x0427, b"\x05"), (0x0423, b"\x03\x00\x22")])
    assert (receipt.smsc_message_id, receipt.word, receipt.message_state) == ("6AAD5", "UNDELIV", 5)
    assert receipt.network_error_code == NetworkErrorCode(3, 34)


def test_of_a_parameter_that_came_twice_the_first_counts() -> None:
    assert parse_receipt(b"", [(0x001E, b"1\0"), (0x001E, b"2\0")]).smsc_message_id == "1"


def test_the_text_may_be_in_message_payload_or_in_ucs2() -> None:
    assert parse_receipt(b"ignored", [(0x0424, USUAL)]).smsc_message_id == "0123456789"
    receipt = parse_receipt(USUAL.decode().encode("utf-16-be"), data_coding=8)
    assert (receipt.smsc_message_id, receipt.text) == ("0123456789", "Hello, w")


@pytest.mark.parametrize(
    ("octets", "state"), [(b"\x02", 2), (b"2", 2), (b"\0\0\0\x02", 2), (b"", None), (b"12345", None)]
)
def test_message_state_in_its_forms(octets: bytes, state: int | None) -> None:
    assert parse_receipt(b"", [(0x0427, octets)]).message_state == state


def test_a_state_that_says_nothing_leaves_the_word_to_the_text() -> None:
    receipt = parse_receipt(b"id:1 stat:DELIVRD", [(0x0427, b"\x07")])
    assert (receipt.word, receipt.conflicts) == ("DELIVRD", ("stat",))
    assert parse_receipt(b"id:1 stat:DELIVRD", [(0x0427, b"\xc8")]).word == "DELIVRD"
