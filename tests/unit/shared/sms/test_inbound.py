"""Messages from handsets."""

import pytest

from shared.sms import gsm7, udh
from shared.sms.inbound import InboundPart, keyword, read_inbound, text_of
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
    assert (inbound.text, inbound.data_coding, inbound.oddities) == (text, data_coding, ())


@pytest.mark.parametrize("data_coding", [2, 4, 9, 11, 12, 15, 0x14, 0x1C, 0x20, 0x28, 0x44, 0x80, 0xBF, 0xF4, 0xFF])
def test_all_else_is_data(data_coding: int) -> None:
    inbound = read_inbound(b"STOP", data_coding, 0, (), PLAIN)
    assert (inbound.text, inbound.user_data, inbound.data_coding) == (None, b"STOP", data_coding)


@pytest.mark.parametrize(
    "data_coding", [0, 1, 3, *range(0x10, 0x14), 0x40, 0x50, *range(0xC0, 0xE0), *range(0xF0, 0xF4), *range(0xF8, 0xFC)]
)
def test_stop_is_stop_whatever_its_class_or_waiting_indication(data_coding: int) -> None:
    assert read_inbound(b"STOP", data_coding, 0, (), PLAIN).text == "STOP"


@pytest.mark.parametrize("data_coding", [8, *range(0x18, 0x1C), 0x48, 0x58, *range(0xE0, 0xF0)])
@pytest.mark.parametrize(
    "octets",
    [
        "Стоп, STOP".encode("utf-16-be"),
        b"\xfe\xff" + "Стоп, STOP".encode("utf-16-be"),
        b"\xff\xfe" + "Стоп, STOP".encode("utf-16-le"),
    ],
)
def test_ucs2_with_or_without_a_byte_order_mark_either_way_round(data_coding: int, octets: bytes) -> None:
    assert read_inbound(octets, data_coding, 0, (), PLAIN).text == "Стоп, STOP"


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("STOP 1\r\n".encode("utf-16-le"), "STOP 1\r\n"),
        ("一开".encode("utf-16-be"), "一开"),  # swapped it would be N_
        ("最".encode("utf-16-be"), "最"),
        ("匀".encode("utf-16-be"), "匀"),  # one character proves nothing
        (b"\x00S\x00T\x00O\x00P", "STOP"),
        (b"S\x00T\x00O", "匀吀\ufffd"),
        (b"\xff\xfe", ""),
        (b"\xfe\xff\xfe\xff\x00a", "\ufeffa"),
    ],
)
def test_ucs2_whose_octets_are_swapped(octets: bytes, text: str) -> None:
    assert read_inbound(octets, 8, 0, (), PLAIN).text == text


@pytest.mark.parametrize(
    ("data_coding", "octets", "text"),
    [
        (6, "Стоп №1".encode("iso8859-5"), "Стоп №1"),
        (7, "הסר".encode("iso8859-8"), "הסר"),
        (7, b"\xa1", "\ufffd"),
        (5, "停止".encode("shift_jis"), "停止"),
        (5, "停止".encode("iso2022_jp"), "停止"),
        (10, "停止".encode("iso2022_jp"), "停止"),
        (13, "停止".encode("euc_jp"), "停止"),
        (14, "수신거부".encode("euc_kr"), "수신거부"),
    ],
)
def test_the_alphabets_that_smpp_names(data_coding: int, octets: bytes, text: str) -> None:
    assert read_inbound(octets, data_coding, 0, (), PLAIN).text == text


@pytest.mark.parametrize(
    ("data_coding", "octets"), [(5, b"\x00\x01"), (5, b"\x80\xff"), (14, b"\xff\xff"), (10, b"\x1b$")]
)
def test_octets_that_are_no_text_of_their_set_are_data(data_coding: int, octets: bytes) -> None:
    assert read_inbound(octets, data_coding, 0, (), PLAIN).text is None


def test_a_class_is_gsm7_whatever_0_means_to_the_connector() -> None:
    latin1 = ConnectorProfile(default_alphabet="latin1")
    assert [read_inbound(b"\x00@", value, 0, (), latin1).text for value in (0xF1, 0)] == ["@¡", "\0@"]


def test_the_header_is_taken_off_and_read() -> None:
    head = udh.header(udh.concatenation_8bit(7, 3, 2), udh.application_ports(5000, 5001))
    inbound = read_inbound(head + b"text", 0, 0x40, (), PLAIN)
    assert (inbound.text, inbound.concatenation) == ("text", udh.Concatenation(7, 3, 2, 8))
    assert read_inbound(head, 4, 0x40, (), PLAIN).user_data == b""


def test_national_tables_are_always_understood() -> None:
    septets = gsm7.alphabet(1, 1).encode("ağaç")
    assert septets is not None
    assert read_inbound(udh.header(udh.national_shift(1, 1)) + septets, 0, 0x40, (), PLAIN).text == "ağaç"


def test_packed_text_behind_a_header() -> None:
    head = udh.header(udh.concatenation_8bit(7, 2, 1))
    inbound = read_inbound(head + gsm7.pack(b"hello", 1), 0, 0x40, (), ConnectorProfile(gsm7_packed=True))
    assert (inbound.text, inbound.user_data) == ("hello", b"hello")


def test_sar_tlvs() -> None:
    tlvs = [(0x020C, b"\x01\x02"), (0x020E, b"\x03"), (0x020F, b"\x01")]
    inbound = read_inbound(b"Stop it", 0, 0, tlvs, PLAIN)
    assert inbound.concatenation == udh.Concatenation(258, 3, 1, 16)
    assert read_inbound(b"x", 0, 0, tlvs[:2], PLAIN).concatenation is None


@pytest.mark.parametrize(
    ("octets", "oddity"),
    [
        (b"\x20hello", "longer than the user data"),
        (b"STOP", "longer than the user data"),
        (b"\nHow are you today?", "an element is longer than the header"),
        (b"\x07\x00\x03\xa7\x03\x02\x05\x09xyz", "an element is longer than the header"),
        (b"\x06\x00\x03\xa7\x03\x02Hello", "an element is longer than the header"),
        (b"A text of more than sixty-six characters, sent as if it began with a header", "longer than the header"),
    ],
)
def test_a_header_that_does_not_add_up_is_none(octets: bytes, oddity: str) -> None:
    inbound = read_inbound(octets, 3, 0x40, (), PLAIN)
    assert (inbound.text, inbound.concatenation) == (octets.decode("latin-1"), None)
    assert inbound.oddities[0].startswith("user data header: ") and oddity in inbound.oddities[0]


def _parts(pieces: list[bytes], data_coding: int, *elements: bytes) -> list[InboundPart]:
    total = len(pieces)
    heads = [udh.header(udh.concatenation_8bit(9, total, number + 1), *elements) for number in range(total)]
    return [read_inbound(head + piece, data_coding, 0x40, (), PLAIN) for head, piece in zip(heads, pieces, strict=True)]


@pytest.mark.parametrize("at", range(2, 12))
@pytest.mark.parametrize("mark", [b"", b"\xfe\xff", b"\xff\xfe"])
def test_parts_are_decoded_when_joined_wherever_they_were_cut(at: int, mark: bytes) -> None:
    octets = mark + "ж😀😀!".encode("utf-16-le" if mark == b"\xff\xfe" else "utf-16-be")
    assert text_of(_parts([octets[:at], octets[at:]], 8)) == "ж😀😀!"


def test_a_byte_order_mark_in_every_part() -> None:
    assert text_of(_parts([b"\xff\xfea\0", b"\xff\xfeb\0", b"\xfe\xff\0c"], 8)) == "abc"


def test_an_escape_cut_from_its_character() -> None:
    assert text_of(_parts([b"10 \x1b", b"\x65"], 0)) == "10 €"


def test_each_part_has_the_tables_that_it_names() -> None:
    turkish = gsm7.alphabet(1, 1).encode("ağaç")
    assert turkish is not None
    parts = [*_parts([b"abc $ "], 0), *_parts([turkish], 0, udh.national_shift(1, 1)), *_parts([b" $"], 0)]
    assert text_of(parts) == "abc ¤ ağaç ¤"


def test_one_part_that_is_no_text_makes_all_of_it_data() -> None:
    assert text_of([*_parts([b"abc"], 0), *_parts([b"abc"], 4)]) is None


@pytest.mark.parametrize("text", ["हिन्दी", "ยกเลิก", "می‌خواهم", "été", "STOP2", "λέξη"])
def test_marks_and_joiners_belong_to_the_word(text: str) -> None:
    assert keyword(f"«{text}» and more") == text.upper()
    assert keyword(f"{text}\u200d!") == text.upper()


@pytest.mark.parametrize(
    ("text", "word"),
    [(" stop!", "STOP"), ("Start 5", "START"), ("¡hola!", "HOLA"), ("", None), ("...", None), ("ja", "JA")],
)
def test_keyword(text: str, word: str | None) -> None:
    assert keyword(text) == word
