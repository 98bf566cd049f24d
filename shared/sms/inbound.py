"""Pure: a message from a handset: short_message, data_coding and header to text or data (docs/contracts.md).

data_coding 0 (the connector's default alphabet), 1, 3 and 8 become text, all else data; the header is taken off.
Nothing here raises. Reassembly of several parts joins `user_data` and decodes once, so that a surrogate pair or an
escape that another sender cut in two comes out whole: `decode_text` is for that.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from shared.sms import gsm7, tlv_tags, ucs2, udh
from shared.sms.alphabet import is_packed
from shared.sms.assembly import ESM_CLASS_UDHI
from shared.sms.data_coding import inbound_alphabet
from shared.sms.message import ConnectorProfile

_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Inbound:
    """One inbound message or one part of it. Exactly one of `text` and `data` is given.

    `user_data` are the octets behind the header: unpacked septets where the alphabet is GSM 7-bit. `data_coding` is as
    received. `keyword` is the first word in capitals, of the first part only. `oddities` says what was wrong with it.
    """

    text: str | None
    data: bytes | None
    data_coding: int
    user_data: bytes
    keyword: str | None = None
    concatenation: udh.Concatenation | None = None
    ports: udh.Ports | None = None
    locking_shift: int = 0
    single_shift: int = 0
    oddities: tuple[str, ...] = ()


def read_inbound(
    short_message: bytes,
    data_coding: int,
    esm_class: int,
    tlvs: Iterable[tuple[int, bytes]],
    profile: ConnectorProfile,
) -> Inbound:
    """One deliver_sm or data_sm. message_payload wins over short_message (Q34), a header over SAR TLVs (Q33)."""
    by_tag = tlv_tags.first_values(tlvs)
    oddities: list[str] = []
    if tlv_tags.MESSAGE_PAYLOAD in by_tag and short_message:
        oddities.append("message_payload beside short_message: the payload is taken")
    octets = by_tag.get(tlv_tags.MESSAGE_PAYLOAD, short_message)
    head = udh.parse(octets) if esm_class & ESM_CLASS_UDHI else udh.UserDataHeader(length=0)
    if head.malformed:
        oddities.append(f"user data header: {head.malformed}")
    sar = _sar(by_tag)
    if head.concatenation is not None and sar is not None:
        oddities.append("SAR TLVs beside a concatenation in the header: the header is taken")
    alphabet = inbound_alphabet(data_coding, profile)
    user_data = octets[head.length :]
    if alphabet == "gsm7" and is_packed(profile):
        user_data = gsm7.unpack(user_data, gsm7.fill_bits_after(head.length))
    text = decode_text(user_data, data_coding, profile, head.locking_shift, head.single_shift)
    concatenation = head.concatenation or sar
    return Inbound(
        text=text,
        data=user_data if text is None else None,
        data_coding=data_coding,
        user_data=user_data,
        keyword=keyword(text) if text is not None and (concatenation is None or concatenation.index == 1) else None,
        concatenation=concatenation,
        ports=head.ports,
        locking_shift=head.locking_shift,
        single_shift=head.single_shift,
        oddities=tuple(oddities),
    )


def decode_text(
    user_data: bytes, data_coding: int, profile: ConnectorProfile, locking_shift: int = 0, single_shift: int = 0
) -> str | None:
    """The text of `user_data` (septets unpacked); None when this data_coding is not text. Octets of ASCII over 0x7F
    are read as Latin-1: no other reading says more."""
    match inbound_alphabet(data_coding, profile):
        case "gsm7":
            return gsm7.alphabet(locking_shift, single_shift).decode(user_data)
        case "ascii" | "latin1":
            return user_data.decode("latin-1")
        case "ucs2":
            return ucs2.decode(user_data)
        case "binary":
            return None


def keyword(text: str) -> str | None:
    """The first word in capitals: `STOP` of ` stop!`; None when there is no word."""
    match = _WORD.search(text)
    return match[0].upper() if match else None


def _sar(by_tag: Mapping[int, bytes]) -> udh.Concatenation | None:
    ref = by_tag.get(tlv_tags.SAR_MSG_REF_NUM, b"")
    total = int.from_bytes(by_tag.get(tlv_tags.SAR_TOTAL_SEGMENTS, b""), "big")
    index = int.from_bytes(by_tag.get(tlv_tags.SAR_SEGMENT_SEQNUM, b""), "big")
    if not ref or not 1 <= index <= total:
        return None
    return udh.Concatenation(int.from_bytes(ref, "big"), total, index, 16)
