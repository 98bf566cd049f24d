"""data_coding out and in."""

import pytest

from shared.sms.data_coding import inbound_alphabet, read_map, standard, unit_of, with_flash
from shared.sms.message import ConnectorProfile


@pytest.mark.parametrize(
    ("data_coding", "flash"),
    [
        (0, 0x10),
        (4, 0x14),
        (8, 0x18),
        (0x10, 0x10),
        (0x11, 0x10),
        (0x1A, 0x18),
        (0xF0, 0xF0),
        (0xF1, 0xF0),
        (0xF6, 0xF4),
        (0x20, 0x30),
        (0x40, 0x50),
        (0x44, 0x54),
        (0x48, 0x58),
        (0x5A, 0x58),
    ],
)
def test_class_0_has_its_place(data_coding: int, flash: int) -> None:
    assert with_flash(data_coding) == flash


@pytest.mark.parametrize("data_coding", [1, 3, 5, 6, 7, 9, 10, 13, 14, 0x1C, 0x4C, 0x80, 0xC0, 0xE0])
def test_no_place_for_a_class(data_coding: int) -> None:
    assert with_flash(data_coding) is None


@pytest.mark.parametrize(
    ("unit", "data_codings"),
    [
        ("septets", [0, 0x10, 0x13, 0x40, 0x51, 0xC0, 0xC8, 0xD0, 0xF0, 0xF3]),
        ("code units", [8, 0x18, 0x1B, 0x48, 0x5A, 0xE0, 0xEB]),
        ("octets", [1, 3, 4, 5, 9, 10, 14, 0x14, 0x1C, 0x20, 0x28, 0x60, 0x80, 0xB0, 0xF4, 0xF7]),
    ],
)
def test_what_a_segment_must_not_be_cut_within(unit: str, data_codings: list[int]) -> None:
    assert {data_coding: unit_of(data_coding) for data_coding in data_codings} == dict.fromkeys(data_codings, unit)


def test_what_received_octets_are() -> None:
    plain = ConnectorProfile()
    words = {
        value: inbound_alphabet(value, plain)
        for value in (0, 1, 2, 3, 4, 6, 8, 9, 0x10, 0x1A, 0x48, 0xC8, 0xE1, 0xF1, 0xF5, 0x60)
    }
    assert words == {
        0: "gsm7",
        1: "ascii",
        2: "binary",
        3: "latin1",
        4: "binary",
        6: "cyrillic",
        8: "ucs2",
        9: "binary",
        0x10: "gsm7",
        0x1A: "ucs2",
        0x48: "ucs2",
        0xC8: "gsm7",
        0xE1: "ucs2",
        0xF1: "gsm7",
        0xF5: "binary",
        0x60: "binary",
    }
    assert inbound_alphabet(0, ConnectorProfile(default_alphabet="latin1")) == "latin1"


def test_the_map_is_read_backwards() -> None:
    assert standard(241, {0: 241}) == 0
    assert standard(0, {0: 241}) == 0
    assert standard(4, {4: 4, 0: 4}) == 0


def test_the_option_as_written() -> None:
    assert read_map({"gsm7": 241, " UCS2 ": 8, "0x10": 240, "3": 0}) == {0: 241, 8: 8, 16: 240, 3: 0}
    with pytest.raises(ValueError, match="'gsm8' is neither a number nor one of gsm7, ascii"):
        read_map({"gsm8": 1})
    with pytest.raises(ValueError, match="not within 0 to 255"):
        read_map({"0": 256})
