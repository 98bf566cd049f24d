"""Pure: the octets of a message wherever an SMSC put them, with the quirks that go with it (Q29, Q33, Q34)."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from shared.smpp.constants import EsmClass
from shared.smpp.pdu import DataSm, ShortMessage
from shared.smpp.tlv import Tag, find

UserDataDefect: TypeAlias = Literal["payload_and_short_message", "sar_and_udhi"]


@dataclass(frozen=True, slots=True)
class UserData:
    """The message of a PDU: `octets` with the UDH still in front when `udhi`; `defects` are for the log."""

    octets: bytes
    udhi: bool
    defects: tuple[UserDataDefect, ...] = ()


def user_data(body: ShortMessage | DataSm) -> UserData:
    """message_payload when there is one, else short_message.

    Both at once: the payload is used (Q34). UDH and SAR parameters at once: the UDH wins (Q33), so `udhi` stays
    true and its reader need not look at the parameters. Nothing is stripped: in GSM-7 text 0x00 is '@' (Q29).
    """
    short_message = body.short_message if isinstance(body, ShortMessage) else b""
    payload = find(body.tlvs, Tag.MESSAGE_PAYLOAD)
    udhi = bool(body.esm_class & EsmClass.UDHI)
    defects: list[UserDataDefect] = []
    if payload is not None and short_message:
        defects.append("payload_and_short_message")
    if udhi and find(body.tlvs, Tag.SAR_MSG_REF_NUM) is not None:
        defects.append("sar_and_udhi")
    return UserData(short_message if payload is None else payload, udhi, tuple(defects))


def receipt_text(body: ShortMessage | DataSm) -> str:
    """The text of a delivery receipt in Latin-1, without the NULs that some SMSCs count into sm_length (Q29).

    Only for receipts: their text is ASCII by convention (SMPP 3.4 appendix B), so a NUL at the end is never '@'.
    """
    return user_data(body).octets.decode("latin-1").rstrip("\0")
