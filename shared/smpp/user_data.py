"""Pure: the octets of a message wherever an SMSC put them, with the quirks that go with it (Q33, Q34)."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from shared.smpp.constants import EsmClass
from shared.smpp.pdu import DataSm, ShortMessage
from shared.smpp.tlv import Tag, find

UserDataDefect: TypeAlias = Literal["payload_and_short_message", "sar_and_udhi"]


_UDHI: Final = EsmClass.UDHI.value
_PAYLOAD: Final = Tag.MESSAGE_PAYLOAD.value
_SAR_MSG_REF_NUM: Final = Tag.SAR_MSG_REF_NUM.value


@dataclass(frozen=True, slots=True)
class UserData:
    """The message of a PDU: `octets` with the UDH still in front when `udhi`."""

    octets: bytes
    udhi: bool


def user_data(body: ShortMessage | DataSm) -> UserData:
    """message_payload when there is one, else short_message.

    Both at once: the payload is used (Q34). UDH and SAR parameters at once: the UDH wins (Q33), so `udhi` stays
    true and its reader need not look at the parameters. Nothing is stripped: in GSM-7 text 0x00 is '@' (Q29).
    """
    short_message = body.short_message if isinstance(body, ShortMessage) else b""
    payload = find(body.tlvs, Tag.MESSAGE_PAYLOAD)
    return UserData(short_message if payload is None else payload, bool(body.esm_class & EsmClass.UDHI))


def user_data_defects(body: ShortMessage | DataSm) -> tuple[UserDataDefect, ...]:
    """What is contradictory about the message of a PDU, for counters and the log."""
    if not body.tlvs:
        return ()
    defects: list[UserDataDefect] = []
    if isinstance(body, ShortMessage) and body.short_message and find(body.tlvs, _PAYLOAD) is not None:
        defects.append("payload_and_short_message")
    if body.esm_class & _UDHI and find(body.tlvs, _SAR_MSG_REF_NUM) is not None:
        defects.append("sar_and_udhi")
    return tuple(defects)
