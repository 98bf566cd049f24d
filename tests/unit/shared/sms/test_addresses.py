"""Sender and destination as SMPP addresses."""

import pytest

from shared.sms.addresses import Address, destination_address, source_address
from shared.sms.gsm7 import DEFAULT


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
    assert destination_address("12345") == Address(3, 0, b"12345")
    assert destination_address("12345", ton=0, npi=1) == Address(0, 1, b"12345")


@pytest.mark.parametrize(
    ("sender", "octets", "change"),
    [
        ("ΩMEGA", b"OMEGA", "spelt in letters: 'Ω' as 'O'"),
        ("€URO", b"EURURO", "spelt in letters: '€' as 'EUR'"),
        ("ΨΘΨ", b"PSTHPS", "spelt in letters: 'Ψ' as 'PS', 'Θ' as 'TH'"),
        ("info@shop", b"infoshop", "'@' and NUL dropped: 0x00 ends the address"),
    ],
)
def test_what_latin1_has_not_is_spelt_and_told(sender: str, octets: bytes, change: str) -> None:
    address = source_address(sender)
    assert (address.ton, address.octets, address.changes, address.problem) == (5, octets, (change,), "")
    assert address.text == octets.decode()


@pytest.mark.parametrize(
    ("sender", "problem"),
    [
        ("€€€SHOP", "the sender '€€€SHOP' would be 'EUREUREURSHOP', which is over 11 characters"),
        ("Жук", "'Ж' of the sender 'Жук' is not in Latin-1, which addresses are written in"),
        ("@", "of the sender '@' nothing is left"),
    ],
)
def test_what_cannot_be_spelt_is_a_problem_and_no_question_mark(sender: str, problem: str) -> None:
    assert source_address(sender).problem == problem


def test_every_sender_character_of_gsm7_has_octets() -> None:
    for character in DEFAULT.characters - set("@\n\r\f"):
        address = source_address(f"a{character}")
        assert (address.problem, b"?" in address.octets) == ("", character == "?")
