"""Compared with smpplib, an independent implementation; where it differs, the difference is listed and judged.

More comparisons, made once while this was written, are in docs/encoding.md.
"""

import pytest
from smpplib import consts
from smpplib.gsm import gsm_encode, make_parts

from shared.sms.gsm7 import DEFAULT
from shared.sms.message import ConnectorProfile, Encoded, EncodeRequest
from shared.sms.segmentation import encode_message

SMPPLIB_IS_WRONG = {
    "\f": "the extension has form feed at 0x0A",
    "\x1b": "the escape is no character",
    "`": "0x5F is the section sign, and there is no grave accent",
    "§": "0x5F is the section sign",
}


def by_smpplib(character: str) -> bytes | None:
    try:
        octets: bytes = gsm_encode(character)
    except UnicodeError:
        return None
    return octets


def test_septets_of_every_character() -> None:
    characters = [chr(code) for code in (*range(0xD800), *range(0xE000, 0x10000))]
    different = {character for character in characters if DEFAULT.encode(character) != by_smpplib(character)}
    assert different == set(SMPPLIB_IS_WRONG)


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
