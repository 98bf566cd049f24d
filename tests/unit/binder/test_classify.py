"""Pure: receipt or message of a handset, and the id a receipt names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.binder.smpp.classify import DeliveredMessage, DeliveredReceipt, classify
from shared.smpp.pdu import DataSm, DeliverSm
from shared.smpp.tlv import Tlv

TEXT = b"id:0123ABC sub:001 dlvrd:001 submit date:2601010000 done date:2601010001 stat:DELIVRD err:000 text:hello"


@pytest.mark.parametrize("esm_class", [0x04, 0x08, 0x20, 0x44, 0x24, 0x0C, 0xC4])
def test_q6_any_receipt_bit_makes_a_receipt(esm_class: int) -> None:
    found = classify(DeliverSm(esm_class=esm_class, short_message=TEXT), dlr_by_text=False)
    assert found == DeliveredReceipt("", "0123ABC", TEXT)


@pytest.mark.parametrize("tlv", [Tlv(0x001E, b"77aa\0"), Tlv(0x0427, b"\x02")])
def test_q6_a_receipt_parameter_makes_a_receipt(tlv: Tlv) -> None:
    assert isinstance(classify(DeliverSm(esm_class=0, tlvs=(tlv,)), dlr_by_text=False), DeliveredReceipt)


def test_q6_text_counts_only_where_the_connector_says_so() -> None:
    pdu = DeliverSm(esm_class=0, short_message=TEXT)
    assert classify(pdu, dlr_by_text=False) == DeliveredMessage(TEXT)
    assert classify(pdu, dlr_by_text=True) == DeliveredReceipt("", "0123ABC", TEXT)


@pytest.mark.parametrize("text", [b"my id: 4711, please call", b"stat: fine", b"", b"\0\1\2", b"solid:1 stat:DELIVRD"])
def test_q6_a_message_that_is_no_receipt_stays_one(text: bytes) -> None:
    assert classify(DeliverSm(esm_class=0, short_message=text), dlr_by_text=True) == DeliveredMessage(text)


def test_q8_the_parameter_wins_over_the_text() -> None:
    pdu = DeliverSm(esm_class=4, short_message=TEXT, tlvs=(Tlv(0x001E, b"6aad5\0"),))
    found = classify(pdu, dlr_by_text=False)
    assert found == DeliveredReceipt("6aad5", "0123ABC", TEXT)
    assert found.smsc_message_id == "6aad5"


@pytest.mark.parametrize("value", [b"", b"\0", b"  \0"])
def test_q8_an_empty_parameter_leaves_it_to_the_text(value: bytes) -> None:
    pdu = DeliverSm(esm_class=4, short_message=TEXT, tlvs=(Tlv(0x001E, value),))
    assert classify(pdu, dlr_by_text=False) == DeliveredReceipt("", "0123ABC", TEXT)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (b"ID: 42 Stat:DELIVRD", "42"),
        (b"sub:001 id:abc\0", "abc"),
        (b"stat:DELIVRD", ""),
        (b"", ""),
        ("id:9f stat:EXPIRED".encode("utf-16-be"), "9f"),
        (b"\x05\x00\x03\x01\x02\x01id:5 stat:DELIVRD", "5"),
        (b"id : 42 stat:DELIVRD", "42"),
        (b"id:42,sub:001,stat:DELIVRD", "42"),
        (b"id:42; stat:DELIVRD", "42"),
        (b"id:42", "42"),
        (b"text:id:7 id:42", "42"),
        (b"\x06\x08\x04\x00\x01\x02\x01" + "id:9f stat:EXPIRED".encode("utf-16-be"), "9f"),
    ],
)
def test_q7_the_id_is_found_however_it_is_written(text: bytes, named: str) -> None:
    assert classify(DeliverSm(esm_class=4, short_message=text), dlr_by_text=False) == DeliveredReceipt("", named, text)


@pytest.mark.parametrize("data_coding", [0, 8])
@pytest.mark.parametrize("encoding", ["ascii", "utf-16-be", "utf-16-le"])
def test_q7_the_octets_say_whether_it_is_ascii(encoding: str, data_coding: int) -> None:
    pdu = DeliverSm(esm_class=4, data_coding=data_coding, short_message=TEXT.decode().encode(encoding))
    assert classify(pdu, dlr_by_text=False).smsc_message_id == "0123ABC"  # type: ignore[union-attr]


def test_q34_the_payload_is_the_text_also_where_there_is_a_short_message() -> None:
    pdu = DeliverSm(esm_class=4, short_message=b"id:1 stat:X", tlvs=(Tlv(0x0424, TEXT),))
    assert classify(pdu, dlr_by_text=False) == DeliveredReceipt("", "0123ABC", TEXT)


def test_data_sm_carries_both_kinds() -> None:
    assert classify(DataSm(esm_class=4, tlvs=(Tlv(0x0424, TEXT),)), dlr_by_text=False) == DeliveredReceipt(
        "", "0123ABC", TEXT
    )
    assert classify(DataSm(tlvs=(Tlv(0x0424, b"hi"),)), dlr_by_text=False) == DeliveredMessage(b"hi")


@given(
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(max_size=254),
    st.lists(st.tuples(st.sampled_from([0x001E, 0x0424, 0x0427, 0x1400]), st.binary(max_size=80)), max_size=4),
    st.booleans(),
)
def test_it_never_raises_and_always_keeps_the_octets(
    esm_class: int, data_coding: int, text: bytes, tlvs: list[tuple[int, bytes]], by_text: bool
) -> None:
    pdu = DeliverSm(
        esm_class=esm_class,
        data_coding=data_coding,
        short_message=text,
        tlvs=tuple(Tlv(tag, value) for tag, value in tlvs),
    )
    found = classify(pdu, dlr_by_text=by_text)
    assert found.octets == next((value for tag, value in tlvs if tag == 0x0424), text)
