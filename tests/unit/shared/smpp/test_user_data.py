import pytest

from shared.smpp.pdu import DataSm, DeliverSm
from shared.smpp.tlv import Tag, Tlv
from shared.smpp.user_data import UserData, receipt_text, user_data

PAYLOAD = Tlv(Tag.MESSAGE_PAYLOAD, b"long")
SAR = Tlv(Tag.SAR_MSG_REF_NUM, b"\0\x42")


def test_the_message_is_where_the_smsc_put_it() -> None:
    assert user_data(DeliverSm(short_message=b"short")) == UserData(b"short", udhi=False)
    assert user_data(DeliverSm(tlvs=(PAYLOAD,))) == UserData(b"long", udhi=False)
    assert user_data(DataSm(tlvs=(PAYLOAD,), esm_class=0x40)) == UserData(b"long", udhi=True)
    assert user_data(DataSm()) == UserData(b"", udhi=False)


def test_q33_udh_wins_over_sar() -> None:
    assert user_data(DeliverSm(esm_class=0x40, short_message=b"x", tlvs=(SAR,))) == UserData(
        b"x", True, ("sar_and_udhi",)
    )
    assert user_data(DeliverSm(short_message=b"x", tlvs=(SAR,))).defects == ()


def test_q34_payload_wins_over_short_message() -> None:
    expected = UserData(b"long", False, ("payload_and_short_message",))
    assert user_data(DeliverSm(short_message=b"short", tlvs=(PAYLOAD,))) == expected


@pytest.mark.parametrize("octets", [b"id:1 stat:DELIVRD", b"id:1 stat:DELIVRD\0", b"id:1 stat:DELIVRD\0\0"])
def test_q29_receipts_lose_their_trailing_nul(octets: bytes) -> None:
    assert receipt_text(DeliverSm(short_message=octets)) == "id:1 stat:DELIVRD"


def test_q29_messages_keep_their_trailing_nul() -> None:
    assert user_data(DeliverSm(short_message=b"@ is \0")).octets == b"@ is \0"
