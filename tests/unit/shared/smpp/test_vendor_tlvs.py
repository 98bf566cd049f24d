"""Q50: optional parameters as a configuration writes them."""

import pytest

from shared.smpp.tlv import Tag, Tlv
from shared.smpp.vendor_tlvs import vendor_tlv


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("0x1401", "hex:00ff", Tlv(0x1401, b"\0\xff")),
        ("5121", "text:shop", Tlv(5121, b"shop")),
        ("0x1401", "shop: 7", Tlv(0x1401, b"shop: 7")),
        ("0x1401", "text:int:7", Tlv(0x1401, b"int:7")),
        ("0x1401", "é", Tlv(0x1401, b"\xe9")),
        ("0x1401", "hex:", Tlv(0x1401, b"")),
        ("0x1401", "int:0", Tlv(0x1401, b"\0")),
        ("0x1401", "int:255", Tlv(0x1401, b"\xff")),
        ("0x1401", "int:300", Tlv(0x1401, b"\x01\x2c")),
        ("0x1401", "int4:300", Tlv(0x1401, b"\0\0\x01\x2c")),
        ("0x0204", "int:7", Tlv(Tag.USER_MESSAGE_REFERENCE, b"\0\7")),
        ("0x0204", "int1:7", Tlv(Tag.USER_MESSAGE_REFERENCE, b"\7")),
        ("0x001D", "text:x", Tlv(Tag.ADDITIONAL_STATUS_INFO_TEXT, b"x\0")),
    ],
)
def test_q50_words_give_octets(key: str, value: str, expected: Tlv) -> None:
    assert vendor_tlv(key, value) == expected


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("x", "a", "is no tag"),
        ("70000", "a", "is no tag"),
        ("0x1401", "hex:0", "pairs of hexadecimal digits"),
        ("0x1401", "int:-1", "decimal digits"),
        ("0x1401", "int:٣", "decimal digits"),
        ("0x1401", "int1:300", "300 does not fit into 1 octet$"),
        ("0x0204", "int:70000", "70000 does not fit into 2 octets"),
        ("0x1401", "text:€", "U\\+00FF"),
        ("0x1401", "€", "U\\+00FF"),
        ("0x1401", "hex:" + "00" * 65536, "longer than 65,535 octets"),
    ],
)
def test_q50_what_cannot_be_is_a_sentence(key: str, value: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        vendor_tlv(key, value)
