"""Messages from handsets."""

import pytest

from shared.sms import gsm7, udh
from shared.sms.inbound import decode_text, keyword, read_inbound
from shared.sms.message import ConnectorProfile

PLAIN = ConnectorProfile()


@pytest.mark.parametrize(
    ("octets", "data_coding", "text"),
    [
        (b"\x00\x1b\x65", 0, "@€"),
        (b"abc\xe9", 1, "abcé"),
        (b"caf\xe9", 3, "café"),
        (b"\x04\x16\xd8\x3d\xde\x00", 8, "Ж😀"),
        (b"", 0, ""),
        (b"ends in at\x00", 0, "ends in at@"),
    ],
)
def test_text(octets: bytes, data_coding: int, text: str) -> None:
    inbound = read_inbound(octets, data_coding, 0, (), PLAIN)
    assert (inbound.text, inbound.data, inbound.data_coding, inbound.oddities) == (text, None, data_coding, ())


@pytest.mark.parametrize("data_coding", [2, 4, 5, 0x10, 0xF5, 255])
def test_all_else_is_data(data_coding: int) -> None:
    inbound = read_inbound(b"\x00\x01", data_coding, 0, (), PLAIN)
    assert (inbound.text, inbound.data, inbound.data_coding) == (None, b"\x00\x01", data_coding)


def test_the_header_is_taken_off_and_read() -> None:
    head = udh.header(udh.concatenation_8bit(7, 3, 2), udh.application_ports(5000, 5001))
    inbound = read_inbound(head + b"text", 0, 0x40, (), PLAIN)
    assert (inbound.text, inbound.concatenation) == ("text", udh.Concatenation(7, 3, 2, 8))
    assert inbound.ports == udh.Ports(5000, 5001)
    assert inbound.keyword is None  # only the first part has one
    assert read_inbound(head, 4, 0x40, (), PLAIN).data == b""


def test_national_tables_are_always_understood() -> None:
    septets = gsm7.alphabet(1, 1).encode("ağaç")
    assert septets is not None
    assert read_inbound(udh.header(udh.national_shift(1, 1)) + septets, 0, 0x40, (), PLAIN).text == "ağaç"


def test_packed_text_behind_a_header() -> None:
    head = udh.header(udh.concatenation_8bit(7, 2, 1))
    inbound = read_inbound(head + gsm7.pack(b"hello", 1), 0, 0x40, (), ConnectorProfile(gsm7_packed=True))
    assert (inbound.text, inbound.user_data, inbound.keyword) == ("hello", b"hello", "HELLO")


def test_sar_tlvs() -> None:
    tlvs = [(0x020C, b"\x01\x02"), (0x020E, b"\x03"), (0x020F, b"\x01")]
    inbound = read_inbound(b"Stop it", 0, 0, tlvs, PLAIN)
    assert (inbound.concatenation, inbound.keyword) == (udh.Concatenation(258, 3, 1, 16), "STOP")
    assert read_inbound(b"x", 0, 0, tlvs[:2], PLAIN).concatenation is None


def test_a_header_that_is_none_is_odd_and_kept() -> None:
    inbound = read_inbound(b"\x20hello", 0, 0x40, (), PLAIN)
    assert inbound.text == " hello"
    assert inbound.oddities == ("user data header: longer than the user data",)


def test_parts_are_decoded_when_joined() -> None:
    octets = "😀".encode("utf-16-be")
    parts = [read_inbound(octets[:2], 8, 0, (), PLAIN), read_inbound(octets[2:], 8, 0, (), PLAIN)]
    assert decode_text(b"".join(part.user_data for part in parts), 8, PLAIN) == "😀"
    assert decode_text(b"\x00", 4, PLAIN) is None


@pytest.mark.parametrize(
    ("text", "word"),
    [(" stop!", "STOP"), ("Start 5", "START"), ("¡hola!", "HOLA"), ("", None), ("...", None), ("ja", "JA")],
)
def test_keyword(text: str, word: str | None) -> None:
    assert keyword(text) == word
