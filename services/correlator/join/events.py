"""Pure: the lifecycle events of the join: what came of each receipt, and which never came."""

from typing import Literal

from schemas.joins import ClosedEntry, OpenEntry, SeenReceipt
from shared.kafka.records import Headers, Out
from shared.messages.events import EventMaker

ReceiptEvent = Literal["receipt", "intermediate_receipt", "late_receipt"]


def receipt_event(
    events: EventMaker,
    word: ReceiptEvent,
    entry: OpenEntry | ClosedEntry,
    seen: SeenReceipt,
    partition: int,
    headers: Headers,
) -> Out:
    """A receipt that found its segment. The record's place tells several receipts of a segment apart."""
    return events.out(
        word,
        message_id=entry.message_id,
        occurred_at_ms=seen.received_at_ms,
        identity=(partition, seen.offset),
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


def orphan_event(events: EventMaker, seen: SeenReceipt, partition: int, why: str) -> Out:
    """A receipt that belongs to no message we know; `why` is a sentence."""
    return events.out(
        "orphan_receipt",
        occurred_at_ms=seen.received_at_ms,
        identity=(partition, seen.offset),
        connector_id=seen.connector_id,
        status=seen.status,
        smsc_message_id=seen.smsc_message_id,
        smsc_error=seen.smsc_error,
        detail=f"{why}; {seen.detail}",
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
