"""GSM 7-bit: septets, escapes, packing and its two traps."""

import pytest

from shared.sms import gsm7
from shared.sms.gsm7 import DEFAULT


def test_at_is_code_0_and_nul_is_no_character() -> None:
    assert DEFAULT.encode("@") == b"\x00"
    assert DEFAULT.encode("a@b@") == b"a\x00b\x00"
    assert DEFAULT.decode(b"\x00") == "@"
    assert DEFAULT.encode("a\0b") is None
    assert DEFAULT.first_outside("a\0b") == 1


def test_extension_characters_are_an_escape_and_a_code() -> None:
    assert DEFAULT.encode("{€}\f") == b"\x1b\x28\x1b\x65\x1b\x29\x1b\x0a"
    assert DEFAULT.encode("@[") == b"\x00\x1b\x3c"


@pytest.mark.parametrize("text", ["ç", "`", "\t", "\x1b", "Ж", "😀", "\ufffe", "\uffff", "\ud800", "á"])
def test_what_is_not_in_the_alphabet(text: str) -> None:
    assert DEFAULT.encode(text) is None
    assert DEFAULT.first_outside("abc" + text + text) == 3


def test_the_first_outside_character_may_be_a_nul_before_another() -> None:
    assert DEFAULT.first_outside("ab\0Ж") == 2
    assert DEFAULT.first_outside("abЖ\0") == 2
    assert DEFAULT.first_outside("ab") is None


@pytest.mark.parametrize(
    ("septets", "text"),
    [
        (b"\x1b\x1b\x65", " e"),  # an escape before another one shows as a space (6.2.1.1)
        (b"a\x1b", "a "),  # an escape at the end
        (b"\x1b\x41", "A"),  # a shifted code without a character: that of the locking table
        (b"\xe9a", "\ufffda"),  # no septet at all
        (b"\x1b\xe9", "\ufffd"),
        (b"", ""),
    ],
)
def test_decoding_is_tolerant(septets: bytes, text: str) -> None:
    assert DEFAULT.decode(septets) == text


@pytest.mark.parametrize(
    ("text", "packed"),
    [
        ("hellohello", "e8329bfd4697d9ec37"),  # the example of nearly every paper on the matter
        ("", ""),
        ("@", "00"),
        ("1234567", "31d98c56b3dd1a"),  # 7 septets leave 7 spare bits: a carriage return, not an '@'
        ("1234567@", "31d98c56b3dd00"),  # eight septets, the last a real '@'
    ],
)
def test_packing(text: str, packed: str) -> None:
    septets = DEFAULT.encode(text)
    assert septets is not None
    assert gsm7.pack(septets).hex() == packed
    assert DEFAULT.decode(gsm7.unpack(bytes.fromhex(packed))) == text


def test_a_last_carriage_return_on_the_octet_boundary_is_doubled() -> None:
    septets = b"1234567\r"
    packed = gsm7.pack(septets)
    assert len(packed) == 8
    assert gsm7.unpack(packed) == b"1234567\r\r"  # the carriage return is done twice, "without misoperation"


@pytest.mark.parametrize(("header_octets", "fill_bits"), [(0, 0), (4, 3), (5, 2), (6, 1), (7, 0), (12, 2)])
def test_fill_bits_align_the_text_on_a_septet(header_octets: int, fill_bits: int) -> None:
    assert gsm7.fill_bits_after(header_octets) == fill_bits
    assert (8 * header_octets + fill_bits) % 7 == 0
    assert gsm7.unpack(gsm7.pack(b"abc", fill_bits), fill_bits) == b"abc"
