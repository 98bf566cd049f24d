"""Pure: the records that ingress writes about a message; what is decided is decided elsewhere."""

from typing import Any

import orjson

from schemas.message_context import MessageContext
from schemas.scheduled import ScheduledMessage
from schemas.submissions import Submission
from schemas.topics import (
    INGRESS_KEYS,
    INGRESS_KEYS_OTP,
    MT_REQUESTS_OTP,
    MT_SCHEDULED,
    MT_SUBMISSIONS,
    MT_SUBMISSIONS_OTP,
)
from schemas.wire import Lane
from services.ingress.place import RequestPlace, headers_of_copy
from shared.kafka.records import Headers, In, Out
from shared.messages.admission import Admitted
from shared.messages.events import EventMaker, columns_of
from shared.messages.idempotency import changelog_value
from shared.messages.request_key import home_key
from shared.messages.terms import Terms


def submissions_topic(lane: Lane) -> str:
    """One-time passwords have a way of their own from here on."""
    return MT_SUBMISSIONS_OTP if lane == "otp" else MT_SUBMISSIONS


def submission_out(context: MessageContext, request: Admitted, terms: Terms, headers: Headers) -> Out:
    """The admitted message with its identity and connector (`schemas.submissions.Submission`).

    The account's settings are resolved; what has the model's default is left out. The key is the destination, so that
    one encoder sees all messages to a handset (quirk Q37).
    """
    record: dict[str, Any] = {
        "schema_version": Submission.CURRENT_VERSION,
        "route_no": 0,
        "context": context.members(),
        "content": _content(request, terms).decode(),
        "expires_at_ms": expires_at_ms(request, context.accepted_at_ms),
        "connector_id": terms.connector_id,
    }
    if terms.pinned:
        record["pinned"] = True
    return Out(submissions_topic(request.lane), request.to.encode(), orjson.dumps(record), headers)


def expires_at_ms(request: Admitted, accepted_at_ms: int) -> int:
    """Validity counts from `send_at`; one that is past means now."""
    return max(request.send_at_ms or 0, accepted_at_ms) + request.validity_s * 1000


def scheduled_out(
    context: MessageContext, request: Admitted, terms: Terms, headers: Headers, quiet_until_ms: int | None
) -> Out:
    """The admitted message that waits for its `send_at`, or until the quiet hours of its account are over."""
    send_at_ms = request.send_at_ms or 0
    message = ScheduledMessage(
        context=context,
        content=_content(request, terms).decode(),
        send_at_ms=send_at_ms,
        due_at_ms=send_at_ms if quiet_until_ms is None else quiet_until_ms,
        why="send_at" if quiet_until_ms is None else "quiet_hours",
        expires_at_ms=expires_at_ms(request, context.accepted_at_ms),
        connector_id=terms.connector_id,
    )
    return waiting_out(message, headers)


def waiting_out(message: ScheduledMessage, headers: Headers) -> Out:
    """A message for the scheduler."""
    return Out(MT_SCHEDULED, message.context.message_id.encode(), message.to_json(), headers)


def _content(request: Admitted, terms: Terms) -> bytes:
    """What is to be encoded (`schemas.submissions.Content`)."""
    content: dict[str, Any] = {}
    if request.text is not None:
        content["text"] = request.text
    else:
        content["data"] = request.data
        if request.udh is not None:
            content["udh"] = request.udh
        content["data_coding"] = request.data_coding
    content["encoding"] = request.encoding
    optional: tuple[tuple[str, Any], ...] = (
        ("transliterate", terms.transliterate),
        ("lookalikes", terms.lookalikes),
        ("flash", request.flash),
        ("tlvs", request.tlvs),
        ("protocol_id", request.protocol_id),
        ("priority_flag", request.priority_flag),
    )
    content.update((name, value) for name, value in optional if value)
    content["max_segments"] = terms.max_segments
    return orjson.dumps(content)


def accepted_event(events: EventMaker, context: MessageContext, connector_id: str, at_ms: int, headers: Headers) -> Out:
    """The event of a message that was taken."""
    return events.encoded(
        "accepted",
        orjson.dumps(columns_of(context) | {"connector_id": connector_id})[1:-1],
        occurred_at_ms=at_ms,
        message_id=context.message_id,
        accepted_at_ms=context.accepted_at_ms,
        segment_index=0,
        attempt=0,
        route_no=0,
        headers=headers,
    )


def rejected_event(
    events: EventMaker,
    context: MessageContext,
    reason: str,
    field: str | None,
    detail: str,
    at_ms: int,
    headers: Headers,
) -> Out:
    """The event of a request that was not taken."""
    return events.out(
        "rejected",
        occurred_at_ms=at_ms,
        message_id=context.message_id,
        headers=headers,
        accepted_at_ms=context.accepted_at_ms,
        reason=reason,
        field=field,
        detail=detail,
        **columns_of(context),
    )


def duplicate_event(
    events: EventMaker, first_id: str, first_at_ms: int, repeat: MessageContext, at_ms: int, headers: Headers
) -> Out:
    """The event of a repeat that was dropped: one of the *first* message, since the repeat never becomes one."""
    return events.out(
        "duplicate",
        occurred_at_ms=at_ms,
        message_id=first_id,
        identity=(repeat.message_id,),
        headers=headers,
        accepted_at_ms=first_at_ms,
        account_id=repeat.account_id,
        idempotency_key=repeat.idempotency_key,
        detail=f"a repeat was dropped: {repeat.message_id}",
    )


def key_out(record: In, hashed: bytes, message_id: str, body: bytes, accepted_at_ms: int) -> Out:
    """The key that a message took, in the partition of its request."""
    topic = INGRESS_KEYS_OTP if record.topic == MT_REQUESTS_OTP else INGRESS_KEYS
    value = changelog_value(message_id, body, accepted_at_ms, record.offset)
    return Out(topic, hashed.hex().encode(), value, (), record.partition)


def moved_out(record: In, place: RequestPlace, request: Admitted, home: int) -> Out:
    """The request as it came, in the partition where its idempotency key is looked after."""
    key = home_key(request.account_id, request.idempotency_key or "")
    return Out(record.topic, key, record.value, headers_of_copy(record, place), home)
