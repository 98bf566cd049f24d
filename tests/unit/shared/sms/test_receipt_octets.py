"""ASCII or UCS-2, by the octets."""

import pytest

from shared.sms.receipt_octets import receipt_characters

TEXT = "id:42 sub:001 dlvrd:001 submit date:2401021200 done date:2401021201 stat:DELIVRD err:000 text:Hello"
CYRILLIC = TEXT.replace("Hello", "Привет, мир")
SEVEN_OCTETS = b"\x06\x08\x04\x00\x2a\x02\x01"
SIX_OCTETS = b"\x05\x00\x03\x2a\x02\x01"
ASCII, UTF16 = TEXT.encode(), TEXT.encode("utf-16-be")


@pytest.mark.parametrize("data_coding", [0, 1, 3, 4, 8, 0x18, 0xF0, 255])
@pytest.mark.parametrize("header", [b"", SIX_OCTETS, SEVEN_OCTETS, b"\x0b" + SIX_OCTETS[1:] + SEVEN_OCTETS[1:]])
@pytest.mark.parametrize("octets", [ASCII, ASCII + b"\0", UTF16, UTF16 + b"\0\0", UTF16 + b"\0"])
def test_the_octets_decide_whatever_data_coding_says(octets: bytes, header: bytes, data_coding: int) -> None:
    header = bytes((len(header) - 1,)) + header[1:] if header else b""
    assert receipt_characters(header + octets, data_coding) == TEXT


@pytest.mark.parametrize(
    "octets",
    [
        CYRILLIC.encode("utf-16-be"),
        CYRILLIC.encode("utf-16-le"),
        CYRILLIC.encode("utf-16"),
        b"\xfe\xff" + CYRILLIC.encode("utf-16-be"),
        SEVEN_OCTETS + CYRILLIC.encode("utf-16-be"),
    ],
)
@pytest.mark.parametrize("data_coding", [0, 8])
def test_both_orders_of_octets_with_or_without_a_mark(octets: bytes, data_coding: int) -> None:
    assert receipt_characters(octets, data_coding) == CYRILLIC


def test_a_header_that_does_not_add_up_is_text_and_the_place_of_ucs2_is_found_all_the_same() -> None:
    assert receipt_characters(b"\x06\x08\x05\x00\x2a\x02\x01" + UTF16).endswith(TEXT)
    assert receipt_characters(b"\x05\x00\x04ab" + ASCII) == "\x05\x00\x04ab" + TEXT


def test_the_text_behind_the_keys_may_have_any_characters() -> None:
    assert receipt_characters(b"id:1 stat:DELIVRD text:\0 at \xe9\xff", 0) == "id:1 stat:DELIVRD text:\0 at éÿ"
    assert receipt_characters("текст".encode("utf-16-be"), 8) == "текст"
    assert receipt_characters(ASCII.replace(b"Hello", b"caf\xe9 au lait"), 8).endswith("café au lait")


@pytest.mark.parametrize(
    "octets", [b"", b"\0", b"\0\0\0", b"\xfe\xff", b"\x02", b"\x02\0", b"\x1f" * 40, b"\xd8\x00" * 9]
)
def test_nothing_raises(octets: bytes) -> None:
    for data_coding in (0, 8):
        assert isinstance(receipt_characters(octets, data_coding), str)
