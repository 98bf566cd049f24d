"""Sender and destination as SMPP addresses."""

import pytest

from shared.sms.addresses import Address, destination_address, source_address


@pytest.mark.parametrize(
    ("sender", "address"),
    [
        ("12345", Address(3, 0, b"12345")),
        ("123456", Address(3, 0, b"123456")),
        ("1234567", Address(1, 1, b"1234567")),
        ("+4915112345678", Address(1, 1, b"4915112345678")),
        ("SHOP", Address(5, 0, b"SHOP")),
        ("4You", Address(5, 0, b"4You")),
        ("Café", Address(5, 0, b"Caf\xe9")),
        ("+SHOP", Address(5, 0, b"+SHOP")),
    ],
)
def test_sender(sender: str, address: Address) -> None:
    assert source_address(sender) == address


def test_digits_of_other_scripts_are_no_number() -> None:
    assert source_address("١٢٣٤٥٦٧").ton == 5


def test_options_override_what_is_derived() -> None:
    assert source_address("SHOP", ton=0, npi=1) == Address(0, 1, b"SHOP")
    assert destination_address("4915112345678", ton=2, npi=8) == Address(2, 8, b"4915112345678")


def test_a_sender_outside_latin1_says_so() -> None:
    address = source_address("Δelta")
    assert address.octets == b"?elta"
    assert address.changes == ("characters outside Latin-1 replaced by '?'",)
    assert address.text == "?elta"
