"""Pure: a received deliver_sm or data_sm -> receipt or message of a handset, and the id that a receipt names (Q6, Q8).

No more than that is read here: the record must be safe in Kafka before anybody tries to understand it (what else it
says is read in the correlator), and what cannot be understood must not stop a bind. How octets become text, and which
id a text names, is one rule for both: `shared.sms.receipt_octets` and `shared.sms.receipt_text`.
"""

from typing import Final, NamedTuple

from shared.smpp.constants import RECEIPT_BITS
from shared.smpp.pdu import DataSm, DeliverSm
from shared.smpp.tlv import Tag, Tlv
from shared.sms.receipt_octets import receipt_characters
from shared.sms.receipt_text import c_string, mentioned, named_id

_PAYLOAD: Final = Tag.MESSAGE_PAYLOAD.value
_RECEIPTED_MESSAGE_ID: Final = Tag.RECEIPTED_MESSAGE_ID.value
_MESSAGE_STATE: Final = Tag.MESSAGE_STATE.value


class DeliveredReceipt(NamedTuple):
    """The ids as found, "" where there is none: an SMSC may write it differently in the two places, or in one only.
    `octets` is the text, from wherever it came.
    """

    id_in_tlv: str
    id_in_text: str
    octets: bytes

    @property
    def smsc_message_id(self) -> str:
        """The parameter first, the text second (Q8)."""
        return self.id_in_tlv or self.id_in_text


class DeliveredMessage(NamedTuple):
    """A message of a handset."""

    octets: bytes


def classify(pdu: DeliverSm | DataSm, *, dlr_by_text: bool) -> DeliveredReceipt | DeliveredMessage:
    """What `pdu` is. With `dlr_by_text` a PDU without any mark of a receipt is one if its text reads like a receipt."""
    short_message = b"" if isinstance(pdu, DataSm) else pdu.short_message
    tlvs = pdu.tlvs
    if not tlvs:
        return _by_text(pdu, short_message, None, marked=bool(pdu.esm_class & RECEIPT_BITS), dlr_by_text=dlr_by_text)
    by_tag = _first_values(tlvs)
    octets = by_tag.get(_PAYLOAD, short_message)
    tlv_id = by_tag.get(_RECEIPTED_MESSAGE_ID)
    marked = bool(pdu.esm_class & RECEIPT_BITS) or tlv_id is not None or _MESSAGE_STATE in by_tag
    return _by_text(pdu, octets, tlv_id, marked=marked, dlr_by_text=dlr_by_text)


def _by_text(
    pdu: DeliverSm | DataSm, octets: bytes, tlv_id: bytes | None, *, marked: bool, dlr_by_text: bool
) -> DeliveredReceipt | DeliveredMessage:
    if not marked and not dlr_by_text:
        return DeliveredMessage(octets)
    text = receipt_characters(octets, pdu.data_coding)
    if not marked:
        found = mentioned(text)
        if not (found.smsc_message_id and found.has_stat):
            return DeliveredMessage(octets)
        return DeliveredReceipt("", found.smsc_message_id, octets)
    return DeliveredReceipt(c_string(tlv_id) if tlv_id else "", named_id(text), octets)


def _first_values(tlvs: tuple[Tlv, ...]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for tlv in tlvs:
        found.setdefault(tlv.tag, tlv.value)
    return found
