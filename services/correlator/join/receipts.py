"""Pure: a received receipt, read once: what it says, when, and which SMSC id it names.

Nothing here raises for what an SMSC may send; a record that is no `RawReceipt` raises ValueError in `read_receipt`.
"""

from binascii import a2b_base64
from typing import Final

from schemas.joins import SeenReceipt
from schemas.outcomes import OutcomeWord
from schemas.receipts import RawReceipt
from services.correlator.join.receipt_states import end_of
from services.correlator.join.rules import JoinRules
from services.correlator.state.reading import FieldReader
from shared.kafka.records import In
from shared.sms.receipt_text import Receipt, parse_receipt


def _is_tlv(item: object) -> bool:
    return type(item) is list and len(item) == 2 and type(item[0]) is int and type(item[1]) is str


_RECEIPT: Final = FieldReader(
    RawReceipt,
    {
        "connector_id": str,
        "smsc_message_id": str,
        "source_addr": str,
        "esm_class": int,
        "data_coding": int,
        "short_message": str,
        "tlvs": list,
        "received_at_ms": int,
    },
    lambda values: all(map(_is_tlv, values[_TLVS])),
)
_TLVS: Final = 6
_TYPE_BITS: Final = 0x3C
_NOTIFICATION: Final = 0x20
"""esm_class bits 5-2 of an intermediate notification (SMPP 3.4, 5.2.12)."""


def ending(seen: SeenReceipt, *, intermediate: bool) -> OutcomeWord | None:
    """What this receipt ends a segment as; None when it leaves it open.

    Where `intermediate` notifications were asked for, a failure in one of them is one attempt's, not the end; where
    they were not, the SMSC marks its receipts oddly (quirk Q6) and the word counts.
    """
    if not seen.status or (seen.notification and intermediate and seen.status != "delivered"):
        return None
    return seen.status


def read_receipt(record: In, rules: JoinRules) -> SeenReceipt:
    """The receipt in a record of `smsc.receipts`; raises ValueError when the record does not fit its schema."""
    return seen_receipt(record.value or b"", (record.partition, record.offset), record.timestamp, rules)


def seen_receipt(value: bytes, origin: tuple[int, int], record_at_ms: int, rules: JoinRules) -> SeenReceipt:
    """The receipt in the value of a record that stands, or stood, at `origin` since `record_at_ms`."""
    connector_id, smsc_message_id, source_addr, esm_class, data_coding, short_message, tlvs, received_at_ms = (
        _RECEIPT.read(value)
    )
    receipt = parse_receipt(
        a2b_base64(short_message, strict_mode=True),
        [(tag, a2b_base64(value, strict_mode=True)) for tag, value in tlvs],
        data_coding=data_coding,
        receipt_map=rules.of(connector_id).receipt_map,
    )
    end = end_of(receipt.word)
    return SeenReceipt(
        *origin,
        record_at_ms,
        received_at_ms,
        connector_id,
        smsc_message_id,
        receipt.id_in_tlv,
        receipt.id_in_text,
        source_addr,
        receipt.word,
        end.status,
        end.reason,
        _error(receipt),
        esm_class & _TYPE_BITS == _NOTIFICATION,
        _detail(receipt),
        value.decode(),
    )


def _error(receipt: Receipt) -> str:
    """The operator's error as text (quirk Q10): `err`, else the network_error_code TLV; empty for "no error"."""
    if receipt.err.strip("0"):
        return receipt.err
    code = receipt.network_error_code
    return str(code.code) if code is not None and code.code else ""


def _detail(receipt: Receipt) -> str:
    """The word as it came, and where text and TLVs contradict each other (quirk Q8)."""
    told = receipt.stat or receipt.word
    if not receipt.conflicts:
        return told
    return f"{told}; text and TLV differ in {', '.join(receipt.conflicts)}"
