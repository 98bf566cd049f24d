"""Pure: a change of a message's status as records: one of `mt.statuses`, and its event.

For every service that ends messages. The status_id is a function of message and word, so that a repeat collapses.
"""

from typing import Any, Final

import orjson

from schemas.lifecycle_events import LifecycleEvent
from schemas.message_context import MessageContext
from schemas.statuses import Status, StatusWord
from schemas.topics import MT_STATUSES
from shared.kafka.records import Headers, Out
from shared.messages.events import EventMaker
from shared.messages.ids import status_id_of

_TIMED: Final = ("message_id", "accepted_at_ms")
_IN_STATUS: Final = frozenset(Status.model_fields)
_IN_EVENT: Final = frozenset(LifecycleEvent.model_fields)


def _picked(names: frozenset[str]) -> tuple[tuple[int, str], ...]:
    """Where in a context the fields `names` stand, with their names."""
    fields = enumerate(MessageContext._fields)
    return tuple((place, name) for place, name in fields if name in names and name not in _TIMED)


_BOTH: Final = _picked(_IN_STATUS & _IN_EVENT)
_STATUS_ALONE: Final = _picked(_IN_STATUS - _IN_EVENT)
_EVENT_ALONE: Final = _picked(_IN_EVENT - _IN_STATUS)
_NULLABLE: Final = _picked(frozenset({"account_id", "to"}))
"""Null in the status of a rejected request where they could not be read."""


def status_outs(
    events: EventMaker,
    context: MessageContext,
    status: StatusWord,
    *,
    final: bool,
    occurred_at_ms: int,
    route_no: int = 0,
    connector_id: str = "",
    reason: str = "",
    field: str | None = None,
    smsc_error: str | None = None,
    segments: int = 0,
    segments_delivered: int = 0,
    headers: Headers = (),
    detail: str = "",
    repeat: str = "",
) -> tuple[Out, Out]:
    """The record of `mt.statuses` (schemas/statuses.py) and the event `status`.

    `occurred_at_ms` is when the change happened, not when it is written; `detail` is for the event alone. `repeat`
    tells changes to the same word apart, which only `scheduled` has.
    """
    message_id, accepted_at_ms = context.message_id, context.accepted_at_ms
    given = (("connector_id", connector_id), ("reason", reason), ("field", field), ("smsc_error", smsc_error))
    shared: dict[str, Any] = {
        "status": status,
        "final": final,
        "segments": segments,
        "segments_delivered": segments_delivered,
    }
    shared.update((name, context[place]) for place, name in _BOTH if context[place])
    shared.update((name, value) for name, value in given if value)
    members = orjson.dumps(shared)[1:-1]  # encoded once for both
    event = events.encoded(
        "status",
        members + _of_the_event(context, max(0, occurred_at_ms - accepted_at_ms), detail),
        occurred_at_ms=occurred_at_ms,
        message_id=message_id,
        accepted_at_ms=accepted_at_ms,
        segment_index=0,
        attempt=0,
        route_no=route_no,
        identity=(status, repeat) if repeat else (status,),
        headers=headers,
    )
    change = f"{status}/{repeat}" if repeat else status
    value = _of_the_status(context, change, occurred_at_ms) + b"," + members + b"}"
    return Out(MT_STATUSES, message_id.encode(), value, headers), event


def _of_the_status(context: MessageContext, change: str, occurred_at_ms: int) -> bytes:
    """The first members of a status: those that its event does not have, or has elsewhere."""
    record: dict[str, Any] = {
        "schema_version": 1,
        "status_id": status_id_of(context.accepted_at_ms, context.message_id, change),
        "message_id": context.message_id,
        "from": context.sender or None,
        "accepted_at_ms": context.accepted_at_ms,
        "occurred_at_ms": occurred_at_ms,
    }
    record.update((name, context[place]) for place, name in _STATUS_ALONE if context[place] != "")
    record.update((name, None) for place, name in _NULLABLE if not context[place])
    return orjson.dumps(record)[:-1]


def _of_the_event(context: MessageContext, latency_ms: int, detail: str) -> bytes:
    """The members that the event alone has; each begins with a comma."""
    columns: dict[str, Any] = {name: context[place] for place, name in _EVENT_ALONE if context[place]}
    if latency_ms:
        columns["latency_ms"] = latency_ms
    if detail:
        columns["detail"] = detail
    return b"," + orjson.dumps(columns)[1:-1] if columns else b""
