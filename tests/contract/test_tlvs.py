"""Edge: the optional parameters that a request may give are those that can be encoded, and that the standard has."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.tlvs import STANDARD_TAGS, VENDOR_TAGS, is_tlvs, tag_of
from shared.smpp.tlv import TLV_SPECS, Tag, TlvKind
from shared.smpp.vendor_tlvs import vendor_tlv

KEYS = st.one_of(
    st.sampled_from(["0x1401", "5121", "0x3FFF", "0x4000", "0x020A", "522", "0x0424", "x", "", "0x", "99999"]),
    st.integers(0, 0x10000).map(hex),
)
VALUES = st.one_of(
    st.from_regex(re.compile(r"(text|hex|int[0-9]?):[0-9a-fA-Fx€]{0,21}"), fullmatch=True),
    st.text(max_size=20),
)


@given(KEYS, VALUES)
def test_what_is_admitted_can_be_encoded_and_the_rest_has_another_tag_or_cannot(key: str, value: str) -> None:
    if is_tlvs({key: value}):
        assert vendor_tlv(key, value).tag == tag_of(key)
        return
    tag = tag_of(key)
    if tag in VENDOR_TAGS or tag in STANDARD_TAGS:
        with pytest.raises(ValueError):
            vendor_tlv(key, value)


def test_the_sizes_are_those_of_the_standard() -> None:
    for tag, octets in STANDARD_TAGS.items():
        spec = TLV_SPECS[tag]
        assert octets == (spec.size if spec.kind is TlvKind.INTEGER else 0), spec.name


def test_how_a_message_is_cut_is_not_for_a_request_to_say() -> None:
    own = {Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM, Tag.MESSAGE_PAYLOAD}
    assert not own & set(STANDARD_TAGS)


def test_a_tag_is_given_once() -> None:
    assert is_tlvs({"0x1401": "a", "5122": "b"})
    assert not is_tlvs({"0x1401": "a", "5121": "b"})
