"""Pure: the lifecycle events of the join: what came of each receipt, and which never came."""

import re
from binascii import a2b_base64, b2a_base64
from typing import Any, Final, Literal

import orjson

from schemas.joins import ClosedEntry, OpenEntry, SeenReceipt
from schemas.learned_formats import LearnedFormat
from shared.kafka.records import Headers, Out
from shared.messages.events import EventMaker

ReceiptEvent = Literal["receipt", "intermediate_receipt", "late_receipt"]
OrphanReason = Literal["no_id", "no_submission", "no_submission_yet", "too_many"]
"""Why a receipt has no message: it names no id; within 72 h, or for minutes, nobody submitted one with this id; more
receipts wait for it than are kept."""

_TEXT_KEY: Final = re.compile(rb"\0?t\0?e\0?x\0?t\0?(?:\0?\s\0?)*:", re.IGNORECASE)
_MASK: Final = bytes(octet if octet in b"\0" else 0x2A for octet in range(256))


def receipt_event(
    events: EventMaker,
    word: ReceiptEvent,
    entry: OpenEntry | ClosedEntry,
    seen: SeenReceipt,
    headers: Headers,
) -> Out:
    """A receipt that found its segment. The record's place tells several receipts of a segment apart."""
    return events.out(
        word,
        message_id=entry.message_id,
        occurred_at_ms=seen.received_at_ms,
        identity=(seen.partition, seen.offset),
        headers=headers,
        segment_index=entry.segment_index,
        attempt=entry.attempt,
        route_no=entry.route_no,
        accepted_at_ms=entry.accepted_at_ms,
        connector_id=seen.connector_id,
        status=seen.status,
        reason=seen.reason,
        smsc_message_id=seen.smsc_message_id,
        smsc_error=seen.smsc_error,
        latency_ms=max(0, seen.received_at_ms - entry.accepted_at_ms),
        detail=seen.detail,
    )


def orphan_event(events: EventMaker, seen: SeenReceipt, why: OrphanReason) -> Out:
    """A receipt that belongs to no message we know, or to none yet, with everything raw."""
    return events.out(
        "orphan_receipt",
        occurred_at_ms=seen.received_at_ms,
        identity=(seen.partition, seen.offset, why),
        connector_id=seen.connector_id,
        reason=why,
        status=seen.status,
        smsc_message_id=seen.smsc_message_id,
        smsc_error=seen.smsc_error,
        detail=raw_detail(seen),
    )


def format_event(events: EventMaker, learned: LearnedFormat) -> Out:
    """How a provider writes ids has become known, or is known no more."""
    return events.out(
        "message_id_format",
        occurred_at_ms=learned.decided_at_ms,
        identity=(learned.provider, learned.decided_at_ms),
        reason=learned.format or "unknown",
        detail=learned.to_json().decode(),
    )


def missing_event(events: EventMaker, entry: OpenEntry, headers: Headers) -> Out:
    """No receipt came by the deadline."""
    return events.out(
        "receipt_missing",
        message_id=entry.message_id,
        occurred_at_ms=entry.deadline_at_ms,
        headers=headers,
        segment_index=entry.segment_index,
        attempt=entry.attempt,
        route_no=entry.route_no,
        accepted_at_ms=entry.accepted_at_ms,
        account_id=entry.context.account_id,
        connector_id=entry.connector_id,
        deadline_at_ms=entry.deadline_at_ms,
        reason="receipt_deadline",
    )


def raw_detail(seen: SeenReceipt) -> str:
    """The record of `smsc.receipts` as JSON, and where it lies, for whoever wants to know why it fits nothing.

    The words of the message in its `text` field are masked, octet by octet: events hold no texts.
    """
    place: dict[str, Any] = {"partition": seen.partition, "offset": seen.offset}
    if not seen.raw:
        return orjson.dumps(place).decode()
    record = orjson.loads(seen.raw)
    record["short_message"] = _masked(record["short_message"])
    record["tlvs"] = [(tag, _masked(value)) for tag, value in record.get("tlvs", ())]
    return orjson.dumps(place | record).decode()


def _masked(encoded: str) -> str:
    octets = a2b_base64(encoded)
    key = _TEXT_KEY.search(octets)
    if key is None:
        return encoded
    return b2a_base64(octets[: key.end()] + octets[key.end() :].translate(_MASK), newline=False).decode()
