"""Pure: delivery receipts as deliver_sm: the text of SMPP 3.4 appendix B, the TLVs of 5.3.2, or both (quirk Q8)."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from services.simulator.message import SimulatedMessage
from services.simulator.scenario import ReceiptFormat
from shared.smpp.constants import EsmClass, MessageState
from shared.smpp.pdu import DataSm, ShortMessage
from shared.smpp.tlv import Tag, Tlv, integer_tlv
from shared.smpp.tlv_codec import encode_tlvs
from shared.smpp.user_data import user_data

ENROUTE: Final = "ENROUTE"
STATES: Final[dict[str, MessageState]] = {
    "ENROUTE": MessageState.ENROUTE,
    "DELIVRD": MessageState.DELIVERED,
    "EXPIRED": MessageState.EXPIRED,
    "DELETED": MessageState.DELETED,
    "UNDELIV": MessageState.UNDELIVERABLE,
    "ACCEPTD": MessageState.ACCEPTED,
    "UNKNOWN": MessageState.UNKNOWN,
    "REJECTD": MessageState.REJECTED,
}
"""message_state (5.2.28) by the word of appendix B."""

TEXT_OCTETS_MAX: Final = 20
NETWORK_TYPE_GSM: Final = 3
NO_ERROR: Final = "000"

_STATE_OCTETS: Final = {word: encode_tlvs((integer_tlv(Tag.MESSAGE_STATE, state),)) for word, state in STATES.items()}
_WITHOUT_ERROR: Final = frozenset({"DELIVRD", "ENROUTE", "ACCEPTD"})
_TEXT_CODINGS: Final = frozenset({0, 1, 3})
_PRINTABLE: Final = bytes(octet if 0x20 <= octet < 0x7F else 0x3F for octet in range(256))
_UDHI: Final = EsmClass.UDHI.value
_RECEIPT: Final = EsmClass.DELIVERY_RECEIPT.value
_INTERMEDIATE: Final = EsmClass.INTERMEDIATE_NOTIFICATION.value


def receipt_octets(message: SimulatedMessage, word: str, at_ms: int, receipt_format: ReceiptFormat, err: str) -> bytes:
    """The body of the deliver_sm that tells `word`; ENROUTE makes it an intermediate notification (5.2.12).

    err: the code for words that are a failure; `000` stands for the others. Dates are UTC. Packed by hand for speed (a
    test decodes it): the 8 NULs are protocol_id to sm_default_msg_id, without sm_length (4.6.1).
    """
    body = message.body
    in_receipt = message.smsc_message_id.in_receipt.encode("latin-1")
    code = NO_ERROR if word in _WITHOUT_ERROR else err
    text = b"" if receipt_format == "tlv" else _text(message, in_receipt, word, at_ms, code)
    octets = b"\0%c%c%b\0%c%c%b\0%c\0\0\0\0\0\0\0\0%c%b" % (
        body.dest_addr_ton,
        body.dest_addr_npi,
        body.destination_addr.encode("latin-1"),
        body.source_addr_ton,
        body.source_addr_npi,
        body.source_addr.encode("latin-1"),
        _INTERMEDIATE if word == ENROUTE else _RECEIPT,
        len(text),
        text,
    )
    if receipt_format == "standard":
        return octets
    # receipted_message_id is the tag 0x001E, and an id with its NUL is far shorter than 256.
    octets += b"\0\x1e\0%c%b\0%b" % (len(in_receipt) + 1, in_receipt, _STATE_OCTETS[word])
    return octets if code == NO_ERROR else octets + _error_octets(code)


def _text(message: SimulatedMessage, in_receipt: bytes, word: str, at_ms: int, err: str) -> bytes:
    """`id:… sub:001 dlvrd:001 submit date:… done date:… stat:DELIVRD err:000 text:…`."""
    return b"id:%b sub:001 dlvrd:%b submit date:%b done date:%b stat:%b err:%b text:%b" % (
        in_receipt,
        b"001" if word == "DELIVRD" else b"000",
        _minute(message.submitted_at_ms // 60_000),
        _minute(at_ms // 60_000),
        word.encode("ascii"),
        err.encode("ascii"),
        _beginning(message.body),
    )


def _beginning(body: ShortMessage | DataSm) -> bytes:
    """The first 20 characters as far as they are plain text; what is not printable ASCII becomes '?'."""
    if body.data_coding not in _TEXT_CODINGS:
        return b""
    octets = user_data(body).octets if body.tlvs or isinstance(body, DataSm) else body.short_message
    if body.esm_class & _UDHI and octets:
        octets = octets[octets[0] + 1 :]
    return octets[:TEXT_OCTETS_MAX].translate(_PRINTABLE)


@lru_cache(maxsize=16)
def _error_octets(err: str) -> bytes:
    """network_error_code (5.3.2.31) of a GSM network; nothing for a code that is no number of two octets."""
    if not err.isdecimal() or int(err) > 0xFFFF:
        return b""
    value = bytes((NETWORK_TYPE_GSM,)) + int(err).to_bytes(2, "big")
    return encode_tlvs((Tlv(Tag.NETWORK_ERROR_CODE, value),))


@lru_cache(maxsize=256)
def _minute(minute: int) -> bytes:
    """YYMMDDhhmm (UTC) of a minute since the epoch."""
    return f"{datetime.fromtimestamp(minute * 60, UTC):%y%m%d%H%M}".encode("ascii")
