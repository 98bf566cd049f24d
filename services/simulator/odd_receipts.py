"""Pure: receipts as some carriers write them, made of the usual ones: alphabets, separators, words and states."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, cast
from zlib import crc32

from services.simulator.scenario import ReceiptWriting
from shared.smpp.codec import decode_frame, encode_body
from shared.smpp.constants import HEADER_LENGTH, EsmClass
from shared.smpp.pdu import DeliverSm, Pdu
from shared.smpp.tlv import Tag, Tlv

UCS2: Final = 8
SHORT_MESSAGE_MAX: Final = 254
"""Octets of a short_message (SMPP 3.4, 5.2.21), an even number of them."""

SEVEN_OCTETS: Final = b"\x06\x08\x04\x00\x01\x01\x01"
"""A user data header of one segment in one, with a reference of 16 bits: behind it UCS-2 begins at an odd place."""


def odd_receipt(octets: bytes, writing: ReceiptWriting) -> bytes:
    """The body of a usual receipt (`receipts.receipt_octets`), written so."""
    if writing == "usual":
        return octets
    header = (HEADER_LENGTH + len(octets)).to_bytes(4) + DeliverSm.command_id.to_bytes(4) + bytes(4) + (1).to_bytes(4)
    found = cast("Pdu", decode_frame(header + octets))
    return encode_body(_WRITERS[writing](cast("DeliverSm", found.body)), 1)[HEADER_LENGTH:]


def chosen_writing(smsc_message_id: str, writings: Sequence[ReceiptWriting]) -> ReceiptWriting:
    """The same for all receipts of a message."""
    return writings[crc32(smsc_message_id.encode()) % len(writings)] if len(writings) > 1 else writings[0]


def _ascii_as_ucs2(body: DeliverSm) -> DeliverSm:
    """ASCII, with the data_coding of the message."""
    return replace(body, data_coding=UCS2)


def _ucs2(body: DeliverSm) -> DeliverSm:
    """UCS-2, and nothing says so."""
    return replace(body, short_message=_wide(body.short_message, SHORT_MESSAGE_MAX))


def _ucs2_behind_header(body: DeliverSm) -> DeliverSm:
    room = SHORT_MESSAGE_MAX - len(SEVEN_OCTETS) - 1
    return replace(
        body,
        esm_class=body.esm_class | EsmClass.UDHI.value,
        data_coding=UCS2,
        short_message=SEVEN_OCTETS + _wide(body.short_message, room),
    )


def _separated(body: DeliverSm) -> DeliverSm:
    """`id : 42;sub:001,…`."""
    fields = body.short_message.replace(b"id:", b"id : ", 1).replace(b" sub:", b";sub:").replace(b" dlvrd:", b",dlvrd:")
    return replace(body, short_message=fields)


def _failed(body: DeliverSm) -> DeliverSm:
    """`FAILED` for UNDELIV, and no state beside it."""
    text = body.short_message.replace(b"stat:UNDELIV", b"stat:FAILED")
    return replace(body, short_message=text, tlvs=tuple(t for t in body.tlvs if t.tag != Tag.MESSAGE_STATE))


def _state_unset(body: DeliverSm) -> DeliverSm:
    """A state that is always 0; the word in the text is right."""
    tlvs = (Tlv(t.tag, b"\0") if t.tag == Tag.MESSAGE_STATE else t for t in body.tlvs)
    return replace(body, tlvs=tuple(tlvs))


def _other_id_in_tlv(body: DeliverSm) -> DeliverSm:
    """An id of the carrier's own in the TLV; the one of the response is in the text."""
    tlvs = (Tlv(t.tag, b"own-" + t.value) if t.tag == Tag.RECEIPTED_MESSAGE_ID else t for t in body.tlvs)
    return replace(body, tlvs=tuple(tlvs))


def _wide(text: bytes, room: int) -> bytes:
    return text.decode("latin-1").encode("utf-16-be")[: room & ~1]


_WRITERS: Final[Mapping[ReceiptWriting, Callable[[DeliverSm], DeliverSm]]] = {
    "ascii_as_ucs2": _ascii_as_ucs2,
    "ucs2": _ucs2,
    "ucs2_behind_header": _ucs2_behind_header,
    "separated": _separated,
    "failed": _failed,
    "state_unset": _state_unset,
    "other_id_in_tlv": _other_id_in_tlv,
}
