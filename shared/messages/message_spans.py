"""Pure: what a trace tells of a message: each lifecycle event of a traced one is a span. No number, no text.

Events say who did what with which message, and why; a service's spans need nothing else, and cost nothing before it is
known that the message is traced.
"""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import orjson

from schemas.topics import (
    LIFECYCLE_EVENTS,
    MT_OUTCOMES,
    MT_REQUESTS,
    MT_SCHEDULED,
    MT_SUBMISSIONS,
    RECEIPTS,
    dispatch_topic,
    feedback_topic,
    segments_topic,
)
from schemas.wire import NIL_UUID
from shared.kafka.records import Headers, In, Out
from shared.messages.trace_ids import (
    Sampler,
    TraceContext,
    context_of,
    first_span_id,
    own_trace_id,
    span_id,
    submit_span_id,
)

_FAILED: Final = frozenset({"rejected", "submit_failed", "outcome_unknown", "receipt_missing"})
_FAILED_ENDS: Final = frozenset({
    "undeliverable", "expired", "rejected", "outcome_unknown", "receipt_missing", "partially_delivered",
})  # fmt: skip
_TELLING: Final = re.compile(
    rb'"event":"(?:(rejected|submit_failed|outcome_unknown|receipt_missing)|submitted|status|receipt)"'
)
_LATENCY: Final = re.compile(rb'"latency_ms":(\d+)')
_FINAL: Final = re.compile(
    rb'"status":"(?:undeliverable|expired|rejected|outcome_unknown|receipt_missing|partially_delivered)"'
)
_FROM_SMSC: Final = frozenset({"receipt", "late_receipt", "intermediate_receipt"})
_NOBODY: Final = NIL_UUID.encode()

_ATTRIBUTES: Final = {
    name: f"smsgw.{name}"
    for name in (
        "account_id", "campaign_id", "connector_id", "country", "lane", "encoding", "segments", "segment_index",
        "attempt", "route_no", "status", "final", "smsc_message_id", "latency_ms", "reason",
    )
}  # fmt: skip
"""Fields of an event that are told: whom it was sent to, from whom, and sentences are not."""


class MessageSpan(NamedTuple):
    """A span before it knows of OpenTelemetry. Times in nanoseconds since the epoch; `links`: trace and span ids."""

    name: str
    trace_id: int
    span_id: int
    parent_id: int
    began_ns: int
    ended_ns: int
    attributes: dict[str, Any]
    error: str = ""
    links: tuple[tuple[int, int], ...] = ()
    to_outside: bool = False


def trace_of(headers: Headers) -> TraceContext | None:
    """The trace context in the headers of a record of ours; most have no header."""
    return context_of(headers[0][1]) if headers and headers[0][1] is not None else None


def is_told(out: Out, sampler: Sampler, slow_ms: int) -> bool:
    """Whether an event becomes a span: its message is traced, or it tells of a failure or of slowness."""
    if out.topic != LIFECYCLE_EVENTS or out.key is None or out.key == _NOBODY:
        return False
    if sampler.takes(out.key, trace_of(out.headers)):
        return True
    value = out.value or b""
    found = _TELLING.search(value)
    if found is None:
        return False
    if found[1] or _FINAL.search(value):
        return True
    latency = _LATENCY.search(value) if b'"submitted"' in found[0] else None
    return latency is not None and int(latency[1]) >= slow_ms


def span_of_event(service: str, out: Out, began_ns: int, ended_ns: int) -> MessageSpan:
    """The span of an event for which `is_told` said yes; it lasts as long as the cycle in which it was decided."""
    event: dict[str, Any] = orjson.loads(out.value or b"{}")
    message_id, word = str(event["message_id"]), str(event["event"])
    context = trace_of(out.headers)
    first = first_span_id(message_id)
    begins = word in {"accepted", "rejected"} and service == "ingress"
    sender = context.parent_id if context else 0
    connector_id = str(event.get("connector_id", ""))
    trace_id = context.trace_id if context else own_trace_id(message_id)
    links: tuple[tuple[int, int], ...] = ()
    if word in _FROM_SMSC:
        place = (event.get("route_no", 0), event.get("segment_index", 0), event.get("attempt", 0))
        links = ((trace_id, submit_span_id(message_id, *place)),)
    failed = word in _FAILED or event.get("status") in _FAILED_ENDS
    attributes = _messaging(message_id, word, _input_of(service, word, connector_id))
    attributes |= {told: event[name] for name, told in _ATTRIBUTES.items() if event.get(name)}
    error = str(event.get("reason") or event.get("smsc_error") or event.get("status") or word) if failed else ""
    return MessageSpan(
        f"{service} {word}",
        trace_id,
        first if begins else span_id(event["event_id"]),
        sender if begins else first,
        min(began_ns, ended_ns),
        ended_ns,
        attributes | ({"error.type": error} if error else {}),
        error,
        links,
    )


class SmscExchange(NamedTuple):
    """A segment's way to the SMSC and back. `place`: route_no, segment_index, attempt; `record`: its dispatch."""

    message_id: str
    place: tuple[int, int, int]
    connector_id: str
    outcome: str
    began_ms: int
    ended_ms: int
    record: In


def span_of_submit(submit: SmscExchange, context: TraceContext | None) -> MessageSpan:
    """The binder's: from the write to the socket to the SMSC's answer."""
    route_no, segment_index, attempt = submit.place
    attributes = _messaging(submit.message_id, "submit_sm", dispatch_topic(submit.connector_id)) | {
        "smsgw.connector_id": submit.connector_id,
        "smsgw.route_no": route_no,
        "smsgw.segment_index": segment_index,
        "smsgw.attempt": attempt,
        "smsgw.status": submit.outcome,
    }
    error = submit.outcome if submit.outcome not in {"accepted", "throttled", "temporary"} else ""
    return MessageSpan(
        "binder submit_sm",
        context.trace_id if context else own_trace_id(submit.message_id),
        submit_span_id(submit.message_id, *submit.place),
        first_span_id(submit.message_id),
        submit.began_ms * 1_000_000,
        submit.ended_ms * 1_000_000,
        attributes | ({"error.type": error} if error else {}),
        error,
        to_outside=True,
    )


def _messaging(message_id: str, operation: str, destination: str) -> dict[str, Any]:
    """OpenTelemetry's semantic conventions for messaging spans."""
    named = {"messaging.destination.name": destination} if destination else {}
    return {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.operation.name": operation,
        "messaging.message.id": message_id,
        "smsgw.message_id": message_id,
    } | named


_INPUTS: Final[dict[str, Callable[[str, str], str]]] = {
    "ingress": lambda word, connector_id: MT_REQUESTS,
    "encoder": lambda word, connector_id: MT_SUBMISSIONS,
    "throttler": lambda word, connector_id: (
        segments_topic(connector_id, "*") if word in {"queued", "dispatched"} else feedback_topic(connector_id)
    ),
    "binder": lambda word, connector_id: dispatch_topic(connector_id),
    "correlator": lambda word, connector_id: RECEIPTS if "receipt" in word else MT_OUTCOMES,
    "scheduler": lambda word, connector_id: MT_SCHEDULED,
}


def _input_of(service: str, word: str, connector_id: str) -> str:
    """The topic from which the service had it; a lane is not told apart."""
    input_of = _INPUTS.get(service)
    return input_of(word, connector_id) if input_of else ""
