"""Properties of GSM 7-bit text, of packing, and of the user data header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.sms import gsm7, udh
from shared.sms.cutting import PIECE_SEPTETS_MIN, cut_septets
from shared.sms.national_tables import LOCKING_SHIFT, SINGLE_SHIFT

alphabets = st.builds(gsm7.alphabet, st.sampled_from(sorted(LOCKING_SHIFT)), st.sampled_from(sorted(SINGLE_SHIFT)))
any_text = st.text(st.characters(), max_size=200)
default_text = st.text(st.sampled_from(sorted(gsm7.DEFAULT.characters)), max_size=700)


@st.composite
def text_of_an_alphabet(draw: st.DrawFn) -> tuple[gsm7.SeptetAlphabet, str]:
    pair = draw(alphabets)
    return pair, draw(st.text(st.sampled_from(sorted(pair.characters)), max_size=300))


@given(text_of_an_alphabet())
def test_decode_undoes_encode_and_the_cost_is_that_of_the_characters(case: tuple[gsm7.SeptetAlphabet, str]) -> None:
    pair, text = case
    septets = pair.encode(text)
    assert septets is not None
    assert pair.decode(septets) == text
    assert len(septets) == sum(1 if character in pair.base else 2 for character in text)
    assert septets.isascii()


@given(alphabets, any_text)
def test_encode_says_none_exactly_when_a_character_is_missing(pair: gsm7.SeptetAlphabet, text: str) -> None:
    first = next((place for place, character in enumerate(text) if character not in pair.characters), None)
    assert (pair.encode(text) is None) == (first is not None)
    assert pair.first_outside(text) == first


@given(alphabets, st.binary(max_size=200))
def test_any_octets_decode_to_a_text(pair: gsm7.SeptetAlphabet, octets: bytes) -> None:
    assert len(pair.decode(octets)) <= len(octets)


@given(st.binary(max_size=160).map(lambda octets: bytes(octet & 0x7F for octet in octets)), st.integers(0, 6))
def test_unpack_undoes_pack(septets: bytes, fill_bits: int) -> None:
    back = gsm7.unpack(gsm7.pack(septets, fill_bits), fill_bits)
    assert back == septets or (septets.endswith(b"\r") and back == septets + b"\r")


@given(st.binary(max_size=150), st.integers(0, 6))
def test_any_octets_unpack(octets: bytes, fill_bits: int) -> None:
    assert gsm7.unpack(octets, fill_bits).isascii()


@given(default_text, st.integers(10, 160), st.integers(0, 20), st.booleans())
def test_cut_septets_join_fit_and_never_end_in_an_escape(text: str, single: int, less: int, packed: bool) -> None:
    septets = gsm7.DEFAULT.encode(text)
    assert septets is not None
    piece_max = max(PIECE_SEPTETS_MIN, single - less)
    pieces = cut_septets(septets, single, piece_max, packed=packed)
    assert b"".join(pieces) == septets
    if len(pieces) > 1:
        assert all(0 < len(piece) <= piece_max and piece[-1] != gsm7.ESCAPE for piece in pieces)
        assert all(len(piece) >= piece_max - (3 if packed else 1) for piece in pieces[:-2])
    else:
        assert len(septets) <= single


def test_the_smallest_pieces_go_forward_and_smaller_ones_are_refused() -> None:
    """Three septets, of which a packed piece may have to give up three, were cut into nothing for ever."""
    septets = gsm7.DEFAULT.encode("€A\r€€A\r")
    assert septets is not None
    assert b"".join(cut_septets(septets, 4, PIECE_SEPTETS_MIN, packed=True)) == septets
    with pytest.raises(ValueError, match="at least 4"):
        cut_septets(septets, 4, PIECE_SEPTETS_MIN - 1, packed=True)


@given(st.binary(max_size=160))
def test_any_octets_have_a_header_or_a_reason(octets: bytes) -> None:
    head = udh.parse(octets)
    assert 0 <= head.length <= len(octets)
    assert sum(2 + len(element.octets) for element in head.elements) <= max(0, head.length - 1)
    if not head.malformed:
        assert octets[1 : head.length] == b"".join(element.to_bytes() for element in head.elements)


@given(st.integers(0, 65_535), st.integers(1, 255), st.data())
def test_a_concatenation_comes_back(ref: int, total: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(1, total))
    wide = udh.parse(udh.header(udh.concatenation_16bit(ref, total, index)))
    assert wide.concatenation == udh.Concatenation(ref, total, index, 16)
    narrow = udh.parse(udh.header(udh.concatenation_8bit(ref & 255, total, index)))
    assert narrow.concatenation == udh.Concatenation(ref & 255, total, index, 8)
