"""Every entry of every table of TS 23.038 round trips, and the tables have the shape the specification gives them."""

import pytest

from shared.sms import gsm7
from shared.sms.national_tables import LANGUAGES, LOCKING_SHIFT, SINGLE_SHIFT, UNASSIGNED

INDIC = range(4, 14)


def test_the_tables_are_there_for_every_language() -> None:
    assert set(SINGLE_SHIFT) == {0, *LANGUAGES.values()}
    assert set(LOCKING_SHIFT) == {0, *LANGUAGES.values()} - {LANGUAGES["spanish"]}  # A.3.2 is void


@pytest.mark.parametrize("number", sorted(LOCKING_SHIFT))
def test_locking_tables_have_128_codes_with_the_controls_in_place(number: int) -> None:
    table = LOCKING_SHIFT[number]
    assert len(table) == 128
    assert (table[0x0A], table[0x0D], table[0x1B], table[0x20]) == ("\n", "\r", UNASSIGNED, " ")
    assert table[0x30:0x3A] == "0123456789"
    assert table[0x61:0x7B] == "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize("number", sorted(SINGLE_SHIFT))
def test_single_shift_tables_keep_the_extension_in_place(number: int) -> None:
    table = SINGLE_SHIFT[number]
    assert len(table) == 128
    for code, character in {0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x40: "|"}.items():
        assert table[code] == character
    assert table[0x3C:0x3F] == "[~]"
    assert (table[0x65] == "€") == (number != LANGUAGES["telugu"])  # A.2.12 alone has none (docs/encoding.md)
    assert table[0x0D] == table[0x1B] == UNASSIGNED  # CR2 and the reserved second escape


@pytest.mark.parametrize("number", INDIC)
def test_what_an_indic_locking_table_displaces_is_in_its_single_shift_table(number: int) -> None:
    """The argument for the comma at 0x2C (docs/encoding.md): nothing of ASCII may be lost."""
    held = set(LOCKING_SHIFT[number]) | set(SINGLE_SHIFT[number])
    assert set(map(chr, range(0x20, 0x7F))) - {"`"} <= held


@pytest.mark.parametrize("locking", sorted(LOCKING_SHIFT))
def test_every_character_of_every_pair_round_trips(locking: int) -> None:
    for single in SINGLE_SHIFT:
        pair = gsm7.alphabet(locking, single)
        for character in pair.characters:
            septets = pair.encode(character)
            assert septets is not None
            assert pair.decode(septets) == character
            assert len(septets) == (1 if character in LOCKING_SHIFT[locking] else 2)


@pytest.mark.parametrize("locking", sorted(LOCKING_SHIFT))
def test_every_code_decodes_to_its_character(locking: int) -> None:
    pair = gsm7.alphabet(locking, 0)
    for code, character in enumerate(LOCKING_SHIFT[locking]):
        if character != UNASSIGNED:
            assert pair.decode(bytes((code,))) == character


@pytest.mark.parametrize("single", sorted(SINGLE_SHIFT))
def test_every_shifted_code_decodes_to_its_character(single: int) -> None:
    pair = gsm7.alphabet(0, single)
    for code, character in enumerate(SINGLE_SHIFT[single]):
        if character != UNASSIGNED:
            assert pair.decode(bytes((gsm7.ESCAPE, code))) == character


def test_a_misprint_is_kept_out_of_what_is_sent() -> None:
    """A.3.7 prints U+0CAA at 0x24 and at 0x3D; Android reads 0x24 as U+0CA1. We send 0x3D, which both read alike."""
    kannada = gsm7.alphabet(LANGUAGES["kannada"], 0)
    assert kannada.encode("\u0caa") == b"\x3d"
    assert kannada.encode("\u0ca1") is None


def test_an_unknown_language_counts_as_none() -> None:
    assert gsm7.alphabet(200, 77) is gsm7.DEFAULT
