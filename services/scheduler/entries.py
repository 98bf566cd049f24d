"""Pure: what is held of a message: the record of the changelog, and by what it is found in the store."""

from typing import Final, NamedTuple

from schemas.scheduled import ScheduledMessage
from schemas.topics import WAITING
from schemas.waiting import GoneMark, WaitingEntry
from shared.kafka.records import TRACEPARENT, Headers, Out

GONE_KEEP_MS: Final = 3_600_000
"""How long it is remembered that a message does not wait any more."""


class Row(NamedTuple):
    """One entry of the store. `wake_at_ms`: when something is to be done about it; `value`: its changelog record."""

    wake_at_ms: int
    waits: bool
    account_id: str
    idempotency_key: str
    campaign_id: str
    value: bytes


def row_of(entry: WaitingEntry, value: bytes) -> Row:
    """The row of an entry that has `message`, `gone` or `order`. Raises ValueError for any other."""
    if (order := entry.order) is not None:
        return Row(order.answer_at_ms or order.forget_at_ms, False, order.command.account_id, "", "", value)
    if (message := entry.message) is not None:
        context = message.context
        wake_at_ms = min(message.due_at_ms, message.expires_at_ms)
        return Row(wake_at_ms, True, context.account_id, context.idempotency_key, context.campaign_id, value)
    if (gone := entry.gone) is None:
        raise ValueError("an entry without a message says nothing of one that is gone")
    return Row(gone.forget_at_ms, False, gone.account_id, gone.idempotency_key, "", value)


def gone_mark(message: ScheduledMessage, ended: str, at_ms: int) -> WaitingEntry:
    """The entry of a message that ceased to wait at `at_ms`; `ended` is a word of `schemas.waiting.Gone`."""
    context = message.context
    mark = GoneMark.model_validate({
        "ended": ended,
        "account_id": context.account_id,
        "idempotency_key": context.idempotency_key,
        "accepted_at_ms": context.accepted_at_ms,
        "wait_no": message.wait_no,
        "forget_at_ms": at_ms + GONE_KEEP_MS,
    })  # fmt: skip
    return WaitingEntry(gone=mark)


def changelog_out(number: int, key: bytes, value: bytes | None) -> Out:
    """A record of the changelog, in the partition of what it tells."""
    return Out(WAITING, key, value, (), number)


def headers_of(entry: WaitingEntry) -> Headers:
    """The headers of all that follows from the message."""
    return ((TRACEPARENT, entry.traceparent.encode()),) if entry.traceparent else ()
