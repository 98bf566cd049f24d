"""Ids of SMSCs made comparable (Q1–Q3)."""

import pytest

from shared.sms.smsc_message_id import (
    MessageIdFormat,
    candidates,
    normalised,
    receipt_key,
    receipt_key_of,
    response_key,
    same_number,
)


@pytest.mark.parametrize(
    ("raw", "key"),
    [("00A1b2", "a1b2"), (" 12\0", "12"), ("000", "0"), ("", ""), ("ABC-def", "abc-def"), ("0", "0")],
)
def test_raw_ids_ignore_case_and_leading_zeros(raw: str, key: str) -> None:
    assert normalised(raw) == response_key(raw, "raw") == receipt_key(raw, "raw") == receipt_key(raw, "auto") == key


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
def test_both_sides_meet_in_one_key(message_id_format: MessageIdFormat, in_response: str, in_receipt: str) -> None:
    assert response_key(in_response, message_id_format) == receipt_key(in_receipt, message_id_format)


def test_different_numbers_stay_apart() -> None:
    assert response_key("10", "hex") != receipt_key("10", "hex")
    assert response_key("10", "raw") != receipt_key("16", "raw")


def test_a_receipt_with_two_ids() -> None:
    """The PDU in Jasmin's tests: text `0000436949`, TLV `6aad5`."""
    assert receipt_key_of("6aad5", "0000436949", "hex") == response_key("6AAD5", "hex") == "436949"
    assert receipt_key_of("", "0000436949", "hex") == "436949"
    assert receipt_key_of("12345", "74565", "hex") == response_key("12345", "hex")  # TLV as in the response
    assert receipt_key_of("436949", "436949", "hex") == "436949"
    assert receipt_key_of("", "", "raw") == ""


def test_candidates_of_an_id_whose_form_is_not_known() -> None:
    assert candidates("0436949") == ("436949", "4417865", "6aad5")
    assert candidates("6AAD5") == ("6aad5", "436949")
    assert candidates("a-b") == ("a-b",)
    assert candidates("7") == ("7",)


def test_same_number() -> None:
    assert same_number("6AAD5", "0436949")
    assert same_number("0436949", "6AAD5")
    assert not same_number("1", "2")


@pytest.mark.parametrize("raw", ["f" * 5_000, "9" * 5_000, "²³", "١٢", "-5", "1_000", " "])
def test_absurd_ids_do_not_raise(raw: str) -> None:
    formats: tuple[MessageIdFormat, ...] = ("raw", "hex", "dec", "auto")
    for message_id_format in formats:
        assert response_key(raw, message_id_format) == receipt_key(raw, message_id_format) == normalised(raw)
    assert candidates(raw) == (normalised(raw),)
