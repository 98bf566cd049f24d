import pytest

from shared.smpp.tlv import Tag, Tlv, find, integer, integer_tlv, text, text_tlv
from shared.smpp.tlv_codec import decode_tlvs, encode_tlvs

TLVS = (Tlv(Tag.MESSAGE_STATE, b"\x02"), Tlv(Tag.RECEIPTED_MESSAGE_ID, b"6aad5\0"), Tlv(Tag.MESSAGE_STATE, b"\x05"))


def test_the_first_of_a_tag_counts() -> None:
    assert find(TLVS, Tag.MESSAGE_STATE) == b"\x02"
    assert find(TLVS, Tag.NETWORK_ERROR_CODE) is None


@pytest.mark.parametrize(
    ("value", "number"), [(b"\x02", 2), (b"\x00\x00\x02", 2), (b"", None), (b"\xff" * 5, 2**40 - 1)]
)
def test_integers_of_any_length_are_read(value: bytes, number: int | None) -> None:
    assert integer((Tlv(Tag.MESSAGE_STATE, value),), Tag.MESSAGE_STATE) == number


@pytest.mark.parametrize("value", [b"6aad5\0", b"6aad5", b"6aad5\0\0x"])
def test_text_is_read_with_or_without_its_nul(value: bytes) -> None:
    assert text((Tlv(Tag.RECEIPTED_MESSAGE_ID, value),), Tag.RECEIPTED_MESSAGE_ID) == "6aad5"
    assert text((), Tag.RECEIPTED_MESSAGE_ID) is None


def test_values_are_written_in_the_size_of_the_table() -> None:
    assert integer_tlv(Tag.SAR_MSG_REF_NUM, 0x42) == Tlv(Tag.SAR_MSG_REF_NUM, b"\x00\x42")
    assert integer_tlv(0x1401, 7) == Tlv(0x1401, b"\x07")
    assert text_tlv(Tag.RECEIPTED_MESSAGE_ID, "a") == Tlv(Tag.RECEIPTED_MESSAGE_ID, b"a\0")
    assert text_tlv(Tag.CALLBACK_NUM, "a") == Tlv(Tag.CALLBACK_NUM, b"a")
    with pytest.raises(OverflowError):
        integer_tlv(Tag.SAR_TOTAL_SEGMENTS, 256)


def test_tlvs_come_back_with_what_was_wrong_behind_them() -> None:
    octets = encode_tlvs(TLVS)
    assert decode_tlvs(octets, 0) == (TLVS, None)
    assert decode_tlvs(b"\0" + octets, 0) == (TLVS, "surplus_nul")
    assert decode_tlvs(octets + b"\x04", 0) == (TLVS, "broken_tlvs")
    assert decode_tlvs(octets[:-1], 0) == (TLVS[:2], "broken_tlvs")
    assert decode_tlvs(b"xy", 2) == ((), None)
