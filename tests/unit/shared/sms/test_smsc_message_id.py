"""Ids of SMSCs made comparable (Q1–Q3)."""

import pytest

from schemas.wire import KnownFormat
from shared.sms.smsc_message_id import (
    FORMATS,
    ReceiptIds,
    formats_of,
    name_in_response,
    names_in_response,
    normalised,
    same_number,
)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("00A1b2", "a1b2"),
        (" 12\0", "12"),
        ("000", "0"),
        ("", ""),
        ("ABC-def", "abc-def"),
        ("0", "0"),
        ("0x06AAD5", "6aad5"),
        ("0x", "x"),
        ("0xyz", "xyz"),
    ],
)
def test_raw_ids_ignore_case_leading_zeros_and_the_prefix_of_hexadecimal(raw: str, name: str) -> None:
    assert normalised(raw) == name_in_response(raw, "raw") == name


@pytest.mark.parametrize(
    ("message_id_format", "in_response", "in_receipt"),
    [
        ("raw", "00ABCDEF12", "abcdef12"),
        ("hex", "6AAD5", "0000436949"),
        ("hex", "0x06aad5", "436949"),
        ("hex", "6aad5", "6AAD5"),  # a receipt with letters can only be hexadecimal
        ("dec", "0000436949", "6AAD5"),
        ("dec", "436949", "06aad5"),
        ("hex", "7b3c-uuid-like", "7B3C-UUID-LIKE"),
    ],
)
def test_both_sides_meet_under_one_name(message_id_format: KnownFormat, in_response: str, in_receipt: str) -> None:
    assert normalised(in_response) == name_in_response(in_receipt, message_id_format)


def test_different_numbers_stay_apart() -> None:
    assert name_in_response("10", "hex") == "a"
    assert name_in_response("16", "raw") == "16"


def test_a_receipt_with_two_ids() -> None:
    """The PDU in Jasmin's tests: text `0000436949`, TLV `6aad5`."""
    assert names_in_response(ReceiptIds("6aad5", "0000436949"), ("hex",)) == ("6aad5",)
    assert names_in_response(ReceiptIds("12345", "74565"), ("hex",)) == ("12345",)  # TLV as in the response
    assert names_in_response(ReceiptIds("436949", "436949"), ("hex",)) == ("6aad5",)
    assert names_in_response(ReceiptIds("7", "8"), ("raw",)) == ("7", "8")
    assert names_in_response(ReceiptIds("", ""), FORMATS) == ()


def test_the_option_says_which_of_two_ids_counts_where_there_are_two() -> None:
    assert names_in_response(ReceiptIds("7", "8"), ("raw",), "tlv") == ("7",)
    assert names_in_response(ReceiptIds("7", "8"), ("raw",), "text") == ("8",)
    assert names_in_response(ReceiptIds("", "8"), ("raw",), "tlv") == ("8",)
    assert names_in_response(ReceiptIds("7", ""), ("raw",), "text") == ("7",)


def test_every_name_of_an_id_whose_form_is_not_known() -> None:
    def names(written: str) -> tuple[str, ...]:
        return names_in_response(ReceiptIds("", written), FORMATS)

    assert names("0436949") == ("436949", "6aad5", "4417865")
    assert names("6AAD5") == ("6aad5", "436949")
    assert names("a-b") == ("a-b",)
    assert names("7") == ("7",)


def test_the_formats_that_a_match_speaks_for() -> None:
    assert formats_of(ReceiptIds("", "436949"), "6aad5") == ("hex",)
    assert formats_of(ReceiptIds("", "436949"), "436949") == ("raw",)
    assert formats_of(ReceiptIds("", "6AAD5"), "436949") == ("dec",)
    assert formats_of(ReceiptIds("", "6AAD5"), "6aad5") == ("raw", "hex"), "which leaves it open"
    assert formats_of(ReceiptIds("", "7"), "7") == FORMATS
    assert formats_of(ReceiptIds("", "7b3c-uuid"), "7b3c-uuid") == ("raw",), "no number in any base"
    assert formats_of(ReceiptIds("", "1"), "2") == ()


def test_same_number() -> None:
    assert same_number("6AAD5", "0436949")
    assert same_number("0436949", "6AAD5")
    assert not same_number("1", "2")


@pytest.mark.parametrize("raw", ["f" * 5_000, "9" * 5_000, "²³", "١٢", "-5", "1_000", " "])
def test_absurd_ids_do_not_raise(raw: str) -> None:
    for message_id_format in FORMATS:
        assert name_in_response(raw, message_id_format) == normalised(raw)
