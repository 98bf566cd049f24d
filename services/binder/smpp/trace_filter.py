"""Pure: which PDUs of a connection somebody wants to see: those of one number or one message, and what answers them.

No PDU names our message_id: a submit is known by its token, its response by the sequence_number, and receipts, on
whatever bind they come, by the id that the SMSC gave in that response.
"""

from collections.abc import Iterator
from typing import Final

from services.binder.smpp.classify import DeliveredReceipt, classify
from shared.smpp import pdu
from shared.smpp.codec import UnparsablePdu, decode_frame
from shared.smpp.constants import HEADER_LENGTH, RESPONSE_BIT
from shared.smpp.hot import decode_message_id
from shared.smpp.user_data import user_data
from shared.sms.smsc_message_id import FORMATS, MessageIdFormat, ReceiptIds, names_in_response, normalised

REMEMBERED_MAX: Final = 10_000
"""Ids, and requests without an answer, that are followed at a time; the oldest are forgotten."""

_SUBMIT_SM_RESP: Final = pdu.SubmitSmResp.command_id
_DELIVERIES: Final = frozenset({pdu.DeliverSm.command_id, pdu.DataSm.command_id})
_TAIL: Final = 9
"""Digits at the end of a number that its national and its international form share."""
_COMMON_MIN: Final = 7


class Remembered:
    """A set that forgets its oldest members beyond a limit."""

    def __init__(self, limit: int = REMEMBERED_MAX) -> None:
        self._limit = limit
        self._members: dict[object, None] = {}

    def add(self, member: object) -> None:
        self._members[member] = None
        if len(self._members) > self._limit:
            del self._members[next(iter(self._members))]

    def discard(self, member: object) -> bool:
        """Take it out; whether it was there."""
        return self._members.pop(member, self) is None

    def __contains__(self, member: object) -> bool:
        return member in self._members

    def __len__(self) -> int:
        return len(self._members)


class SmscIds:
    """The ids that the SMSC gave to what is followed, over all binds of a connector, in whatever base it has them."""

    def __init__(self, message_id_format: MessageIdFormat) -> None:
        self._formats = FORMATS if message_id_format == "auto" else (message_id_format,)
        self._keys = Remembered()

    def add(self, smsc_message_id: str) -> None:
        """An id out of a response."""
        self._keys.add(normalised(smsc_message_id))

    @property
    def some(self) -> bool:
        """Whether there are any yet."""
        return len(self._keys) > 0

    def given(self, smsc_message_id: str) -> bool:
        """Whether an id out of a response is one of them."""
        return normalised(smsc_message_id) in self._keys

    def named_by(self, receipt: DeliveredReceipt) -> bool:
        """Whether a receipt is about one of them."""
        names = names_in_response(ReceiptIds(receipt.id_in_tlv, receipt.id_in_text), self._formats)
        return any(name in self._keys for name in names)


class TraceFilter:
    """What one request wants of one connection. With neither `msisdn` nor `message_id`: everything."""

    def __init__(self, msisdn: str, message_id: str, smsc_ids: SmscIds, *, dlr_by_text: bool = False) -> None:
        self._everything = not msisdn and not message_id
        self._number = TracedNumber(msisdn) if msisdn else None
        self._message_id = message_id
        self._smsc_ids = smsc_ids
        self._dlr_by_text = dlr_by_text
        self._asked = {"in": Remembered(), "out": Remembered()}
        self._submitted = Remembered()

    def recall(self, direction: str, frame: bytes) -> None:
        """Look through what has passed, before `wants` is asked about it. Which message a submit was of is not known
        any more, but the responses hold the ids that the SMSC gave."""
        if direction == "in" and _command_id(frame) == _SUBMIT_SM_RESP:
            given, _ = decode_message_id(frame)
            if given is not None and self._smsc_ids.given(given):
                self._submitted.add(frame[12:16])

    def wants(self, direction: str, frame: bytes, message_id: str) -> bool:
        """Whether to show this PDU; `message_id` is that of the submit it belongs to, "" where that is not known."""
        if self._everything:
            return True
        if len(frame) < HEADER_LENGTH:
            return False
        command_id, sequence_number = _command_id(frame), frame[12:16]
        if command_id & RESPONSE_BIT:
            return self._wants_response(direction, command_id, sequence_number, frame, message_id)
        wanted = self._fits(direction, command_id, frame, message_id)
        if wanted:
            self._asked[direction].add(sequence_number)
        return wanted

    def _wants_response(
        self, direction: str, command_id: int, sequence_number: bytes, frame: bytes, message_id: str
    ) -> bool:
        asked = self._asked["out" if direction == "in" else "in"]
        if not asked.discard(sequence_number) and not (self._message_id and message_id == self._message_id):
            return False
        if command_id == _SUBMIT_SM_RESP and direction == "in":
            given, _ = decode_message_id(frame)
            if given is not None:
                self._smsc_ids.add(given)
        return True

    def _fits(self, direction: str, command_id: int, frame: bytes, message_id: str) -> bool:
        if direction == "out" and self._message_id:
            return message_id == self._message_id or frame[12:16] in self._submitted
        if self._number is not None and self._number.may_be_in(frame):
            decoded = decode_frame(frame)
            if isinstance(decoded, UnparsablePdu) or self._number.stands_in(decoded.body):
                return True
        return command_id in _DELIVERIES and self._smsc_ids.some and self._is_receipt_of_ours(frame)

    def _is_receipt_of_ours(self, frame: bytes) -> bool:
        decoded = decode_frame(frame)
        if isinstance(decoded, UnparsablePdu) or not isinstance(decoded.body, pdu.DeliverSm | pdu.DataSm):
            return False
        kind = classify(decoded.body, dlr_by_text=self._dlr_by_text)
        return isinstance(kind, DeliveredReceipt) and self._smsc_ids.named_by(kind)


class TracedNumber:
    """A number to look for, in its international or its national form, with or without + and leading zeros."""

    def __init__(self, msisdn: str) -> None:
        self._digits = msisdn.lstrip("+0")
        tail = self._digits[-_TAIL:]
        self._tails = (tail.encode(), tail.encode("utf-16-be"))
        self._whole = (self._digits.encode(), self._digits.encode("utf-16-be"))

    def may_be_in(self, frame: bytes) -> bool:
        """A quick look; False is certain."""
        return self._tails[0] in frame or self._tails[1] in frame

    def stands_in(self, body: pdu.Body) -> bool:
        """Whether it is one of the addresses, or stands in the text (one octet a character, or UCS-2)."""
        if any(self._is(address) for address in _addresses(body)):
            return True
        if not isinstance(body, pdu.ShortMessage | pdu.DataSm):
            return any(whole in tlv.value for tlv in body.tlvs for whole in self._whole)
        octets = (user_data(body).octets, *(tlv.value for tlv in body.tlvs))
        return any(whole in one for one in octets for whole in self._whole)

    def _is(self, address: str) -> bool:
        other = address.lstrip("+0")
        if min(len(other), len(self._digits)) < _COMMON_MIN:
            return other == self._digits
        return other.endswith(self._digits) or self._digits.endswith(other)


def _addresses(body: pdu.Body) -> Iterator[str]:
    for name in ("source_addr", "destination_addr", "esme_addr"):
        address = getattr(body, name, None)
        if address:
            yield address
    for name in ("dest_address", "unsuccess_sme"):
        for one in getattr(body, name, ()):
            yield getattr(one, "destination_addr", "")


def _command_id(frame: bytes) -> int:
    return int.from_bytes(frame[4:8], "big")
