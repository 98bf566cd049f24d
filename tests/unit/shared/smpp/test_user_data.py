from shared.smpp.pdu import DataSm, DeliverSm
from shared.smpp.tlv import Tag, Tlv
from shared.smpp.user_data import UserData, user_data, user_data_defects

PAYLOAD = Tlv(Tag.MESSAGE_PAYLOAD, b"long")
SAR = Tlv(Tag.SAR_MSG_REF_NUM, b"\0\x42")


def test_the_message_is_where_the_smsc_put_it() -> None:
    assert user_data(DeliverSm(short_message=b"short")) == UserData(b"short", udhi=False)
    assert user_data(DeliverSm(tlvs=(PAYLOAD,))) == UserData(b"long", udhi=False)
    assert user_data(DataSm(tlvs=(PAYLOAD,), esm_class=0x40)) == UserData(b"long", udhi=True)
    assert user_data(DataSm()) == UserData(b"", udhi=False)


def test_q33_udh_wins_over_sar() -> None:
    both = DeliverSm(esm_class=0x40, short_message=b"x", tlvs=(SAR,))
    assert (user_data(both), user_data_defects(both)) == (UserData(b"x", True), ("sar_and_udhi",))
    assert user_data_defects(DeliverSm(short_message=b"x", tlvs=(SAR,))) == ()
    assert user_data_defects(DeliverSm(esm_class=0x40, short_message=b"x")) == ()


def test_q34_payload_wins_over_short_message() -> None:
    both = DeliverSm(short_message=b"short", tlvs=(PAYLOAD,))
    assert (user_data(both), user_data_defects(both)) == (UserData(b"long", False), ("payload_and_short_message",))
    assert user_data_defects(DataSm(tlvs=(PAYLOAD,))) == ()


def test_q29_messages_keep_their_trailing_nul() -> None:
    assert user_data(DeliverSm(short_message=b"@ is \0")).octets == b"@ is \0"
