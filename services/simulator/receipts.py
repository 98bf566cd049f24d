"""Pure: delivery receipts as deliver_sm: the text of SMPP 3.4 appendix B, the TLVs of 5.3.2, or both (quirk Q8)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from services.simulator.message_ids import SmscMessageId
from services.simulator.scenario import ReceiptFormat
from shared.smpp.constants import EsmClass, MessageState
from shared.smpp.pdu import DataSm, DeliverSm, ShortMessage
from shared.smpp.tlv import Tag, Tlv, integer_tlv
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

_STATE_TLVS: Final = {word: (integer_tlv(Tag.MESSAGE_STATE, state),) for word, state in STATES.items()}
_NO_ERROR: Final = frozenset({"DELIVRD", "ENROUTE", "ACCEPTD"})
_TEXT_CODINGS: Final = frozenset({0, 1, 3})
_PRINTABLE: Final = bytes(octet if 0x20 <= octet < 0x7F else 0x3F for octet in range(256))
_FINAL_ESM_CLASS: Final = EsmClass.DELIVERY_RECEIPT.value
_INTERMEDIATE_ESM_CLASS: Final = EsmClass.INTERMEDIATE_NOTIFICATION.value
_RECEIPTED_MESSAGE_ID: Final = Tag.RECEIPTED_MESSAGE_ID.value


@dataclass(slots=True)
class Message:
    """An accepted message and its fate. `word` becomes true at `final_at_ms`; until then the message is ENROUTE.

    tells_final: whether a receipt will say so. is_final: it has happened (or was cancelled).
    """

    body: ShortMessage | DataSm
    system_id: str
    smsc_message_id: SmscMessageId
    submitted_at_ms: int
    word: str
    final_at_ms: int
    tells_final: bool
    is_final: bool = False


def receipt_of(message: Message, word: str, at_ms: int, receipt_format: ReceiptFormat, err: str) -> DeliverSm:
    """The deliver_sm that tells `word` about a message; ENROUTE makes it an intermediate notification (5.2.12).

    err: the code for words that are a failure; `000` stands for the others. Dates are UTC.
    """
    body = message.body
    in_receipt = message.smsc_message_id.in_receipt
    code = "000" if word in _NO_ERROR else err
    text = b"" if receipt_format == "tlv" else receipt_text(message, word, at_ms, code).encode("latin-1")
    tlvs: tuple[Tlv, ...] = ()
    if receipt_format != "standard":
        tlvs = (Tlv(_RECEIPTED_MESSAGE_ID, in_receipt.encode("latin-1") + b"\0"), *_STATE_TLVS[word])
        if code != "000" and code.isdecimal():
            tlvs += (network_error_code(int(code)),)
    return DeliverSm(
        "",
        body.dest_addr_ton,
        body.dest_addr_npi,
        body.destination_addr,
        body.source_addr_ton,
        body.source_addr_npi,
        body.source_addr,
        _INTERMEDIATE_ESM_CLASS if word == ENROUTE else _FINAL_ESM_CLASS,
        short_message=text,
        tlvs=tlvs,
    )


def receipt_text(message: Message, word: str, at_ms: int, err: str) -> str:
    """`id:… sub:001 dlvrd:001 submit date:… done date:… stat:DELIVRD err:000 text:…`."""
    return (
        f"id:{message.smsc_message_id.in_receipt} sub:001 dlvrd:{'001' if word == 'DELIVRD' else '000'} "
        f"submit date:{_minute(message.submitted_at_ms // 60_000)} done date:{_minute(at_ms // 60_000)} "
        f"stat:{word} err:{err} text:{_beginning(message.body)}"
    )


def network_error_code(code: int) -> Tlv:
    """The parameter of 5.3.2.31 for a GSM network; codes above 65535 are cut to it."""
    return Tlv(Tag.NETWORK_ERROR_CODE, bytes((NETWORK_TYPE_GSM,)) + min(code, 0xFFFF).to_bytes(2, "big"))


def _beginning(body: ShortMessage | DataSm) -> str:
    """The first 20 characters as far as they are plain text; what is not printable ASCII becomes '?'."""
    if body.data_coding not in _TEXT_CODINGS:
        return ""
    octets = body.short_message if isinstance(body, ShortMessage) else b""
    octets = octets or user_data(body).octets
    if body.esm_class & 0x40 and octets:
        octets = octets[octets[0] + 1 :]
    return octets[:TEXT_OCTETS_MAX].translate(_PRINTABLE).decode("ascii")


@lru_cache(maxsize=256)
def _minute(minute: int) -> str:
    """YYMMDDhhmm (UTC) of a minute since the epoch."""
    return f"{datetime.fromtimestamp(minute * 60, UTC):%y%m%d%H%M}"


def query_state(message: Message, now_ms: int) -> tuple[str, str, MessageState]:
    """(word, final date of 7.1.1 or "", message_state) for query_sm_resp (4.8.2)."""
    known = message.word in STATES and message.word not in ("ACCEPTD", ENROUTE)
    if not known or (now_ms < message.final_at_ms and not message.is_final):
        return ENROUTE, "", MessageState.ENROUTE
    done = datetime.fromtimestamp(message.final_at_ms / 1000, UTC)
    return message.word, f"{done:%y%m%d%H%M%S}000+", STATES[message.word]
