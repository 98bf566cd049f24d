"""Compared with implementations that nobody here wrote; where one differs, the difference is listed and judged.

What each of them is and was compared with is in docs/encoding.md; those that are not on PyPI, or bring too much along,
speak through vector files (test_oracle_vectors.py).
"""

from collections.abc import Callable
from functools import partial

import gsm0338
import gsmcodecs
import pytest
from aiosmpplib.codec import GSM7BitCodec, GSM7BitPackedCodec
from smpplib import consts
from smpplib.gsm import gsm_encode, make_parts

from shared.sms.gsm7 import CARRIAGE_RETURN, DEFAULT, alphabet, pack, unpack
from shared.sms.message import ConnectorProfile, Encoded, EncodeRequest
from shared.sms.national_tables import LOCKING_SHIFT, SINGLE_SHIFT
from shared.sms.segmentation import encode_message

Encode = Callable[[str], bytes]

BASIC_PLANE = [chr(code) for code in (*range(0xD800), *range(0xE000, 0x10000))]

SMPPLIB_IS_WRONG = {
    "\f": "the extension has form feed at 0x0A",
    "\x1b": "the escape is no character",
    "`": "0x5F is the section sign, and there is no grave accent",
    "§": "0x5F is the section sign",
}
GSM0338_IS_WRONG = {"\x1b": "the escape is no character"}

BY_GSM0338 = gsm0338.Codec()


def by_gsm0338(text: str) -> bytes:
    octets: bytes = BY_GSM0338.encode(text)[0]
    return octets


def by_gsmcodecs(text: str, locking: int = 0, single: int = 0) -> bytes:
    octets: bytes = gsmcodecs.Codec(locking, single).encode(text)[0]
    return octets


def by_aiosmpplib(text: str) -> bytes:
    octets: bytes = GSM7BitCodec().encode(text)[0]
    return octets


def or_none(encode: Encode, text: str) -> bytes | None:
    """What an oracle makes of `text`; None where it says that it cannot."""
    try:
        return encode(text)
    except UnicodeError:
        return None


# The default alphabet and its extension


@pytest.mark.parametrize(
    ("encode", "is_wrong"),
    [
        pytest.param(gsm_encode, SMPPLIB_IS_WRONG, id="smpplib"),
        pytest.param(by_gsm0338, GSM0338_IS_WRONG, id="gsm0338"),
        pytest.param(by_gsmcodecs, {}, id="gsmcodecs"),
        pytest.param(by_aiosmpplib, {}, id="aiosmpplib"),
    ],
)
def test_septets_of_every_character(encode: Encode, is_wrong: dict[str, str]) -> None:
    different = {character for character in BASIC_PLANE if DEFAULT.encode(character) != or_none(encode, character)}
    assert different == set(is_wrong)


# National language tables


PAIRS = [(locking, single) for locking in LOCKING_SHIFT for single in SINGLE_SHIFT]
CHARACTERS = sorted({c for table in (*LOCKING_SHIFT.values(), *SINGLE_SHIFT.values()) for c in table})
INDIC_AND_URDU = range(4, 14)
KANNADA = 7

GSMCODECS_HAS_AN_APOSTROPHE_AT_2C = {(character, locking) for character in "'," for locking in INDIC_AND_URDU}
"""In the locking tables of these languages three sources have the comma at 0x2C."""


def is_in_a_table_twice(character: str, locking: int, single: int) -> bool:
    """Of two codes for one character we send the higher, as Android does, and gsmcodecs the lower."""
    return (character == "¡" and single in INDIC_AND_URDU) or (character == "\u0caa" and locking == KANNADA)


def test_septets_in_every_pair_of_national_tables() -> None:
    different = {
        (character, locking, single)
        for locking, single in PAIRS
        for character in CHARACTERS
        if alphabet(locking, single).encode(character)
        != or_none(partial(by_gsmcodecs, locking=locking, single=single), character)
    }
    commas = {case for case in different if case[0] in "',"}
    assert {(character, locking) for character, locking, _ in commas} == GSMCODECS_HAS_AN_APOSTROPHE_AT_2C
    assert [case for case in different - commas if not is_in_a_table_twice(*case)] == []
    assert {character for character, _, _ in different - commas} == {"¡", "\u0caa"}


def test_the_character_of_every_code_in_every_pair_of_national_tables() -> None:
    """Of the codes that gsmcodecs knows; what a code without a character shows as (6.2.1.1) it leaves open."""
    different = set()
    for locking, single in PAIRS:
        by_gsmcodecs_too = gsmcodecs.Codec(locking, single)
        for septets in (bytes((*escape, code)) for escape in (b"", b"\x1b") for code in range(128)):
            theirs = by_gsmcodecs_too.decode(septets, "ignore")[0]
            if theirs and theirs != alphabet(locking, single).decode(septets):
                different.add((theirs, locking))
    assert different == {("'", locking) for locking in INDIC_AND_URDU}


# Cuts


@pytest.mark.parametrize("count", [1, 70, 71, 134, 135, 160, 161, 306, 307, 459, 460, 1_000])
@pytest.mark.parametrize("character", ["a", "é", "Ж"])
def test_cuts_where_no_character_takes_two_units(count: int, character: str) -> None:
    """smpplib may cut within an escape sequence or a surrogate pair (it says so itself), so not with those."""
    result = encode_message(EncodeRequest("m1", "4915", text=character * count), ConnectorProfile())
    assert isinstance(result, Encoded)
    parts, encoding, esm_class = make_parts(character * count, consts.SMPP_ENCODING_DEFAULT)
    assert (result.data_coding, result.esm_class) == (encoding, esm_class)
    head = 6 if esm_class else 0
    assert [segment.octets[head:] for segment in result.segments] == [part[head:] for part in parts]
    assert [segment.octets[4:head] for segment in result.segments] == [part[4:head] for part in parts]


# Packed


TEXT = "@£ Hello [world], it costs 5 € to say {this} ~ Ω^2! " * 4


def test_packed_septets() -> None:
    """aiosmpplib packs without the carriage return that fills seven spare bits (TS 23.038, 6.1.2.3.1)."""
    theirs = GSM7BitPackedCodec()
    for text in (TEXT[:count] for count in range(1, 130)):
        septets = DEFAULT.encode(text) or b""
        packed = theirs.encode(text)[0]
        if len(septets) % 8 == 7:
            assert packed[-1] >> 1 == 0
            packed = packed[:-1] + bytes((packed[-1] | CARRIAGE_RETURN << 1,))
        assert pack(septets) == packed
        assert theirs.decode(pack(septets))[0].removesuffix("\r") == text
        assert unpack(packed) == septets
