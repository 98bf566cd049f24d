"""Pure: the records that ingress writes about a message; what is decided is decided elsewhere."""

from typing import Any, NamedTuple

import orjson

from schemas.topics import INGRESS_KEYS, INGRESS_KEYS_OTP, MT_REQUESTS_OTP, MT_SUBMISSIONS, MT_SUBMISSIONS_OTP
from schemas.wire import Lane
from services.ingress.admission import Admitted
from services.ingress.idempotency import changelog_value
from services.ingress.place import Place, headers_of_copy, home_key
from shared.kafka.records import Headers, In, Out
from shared.messages.events import EventMaker


class Message(NamedTuple):
    """What the records about one message have in common (`shared.messages.statuses.About`)."""

    message_id: str
    account_id: str | None
    idempotency_key: str | None
    to: str | None
    sender: str
    country: str
    lane: str
    connector_id: str
    accepted_at_ms: int
    metadata: dict[str, str]
    route_no: int = 0


class Terms(NamedTuple):
    """What the account's settings and the route add to a request."""

    sender: str
    transliterate: bool
    lookalikes: bool
    max_segments: int
    connector_id: str
    pinned: bool


def submissions_topic(lane: Lane) -> str:
    """One-time passwords have a way of their own from here on."""
    return MT_SUBMISSIONS_OTP if lane == "otp" else MT_SUBMISSIONS


def submission_out(message: Message, request: Admitted, terms: Terms, headers: Headers) -> Out:
    """The admitted message with its identity and connector (`schemas.submissions.Submission`).

    The account's settings are resolved; what has the model's default is left out. The key is the destination, so that
    one encoder sees all messages to a handset (quirk Q37).
    """
    record: dict[str, Any] = {
        "schema_version": 1,
        "message_id": message.message_id,
        "route_no": 0,
        "account_id": request.account_id,
        "to": request.to,
        "sender": terms.sender,
        "lane": request.lane,
        "encoding": request.encoding,
        "max_segments": terms.max_segments,
        "receipt": request.receipt,
        "country": message.country,
        "accepted_at_ms": message.accepted_at_ms,
        "expires_at_ms": message.accepted_at_ms + request.validity_s * 1000,
        "connector_id": terms.connector_id,
    }
    if request.text is not None:
        record["text"] = request.text
    else:
        record["data"] = request.data
        record["data_coding"] = request.data_coding
        if request.udh is not None:
            record["udh"] = request.udh
    if request.idempotency_key is not None:
        record["idempotency_key"] = request.idempotency_key
    if request.metadata:
        record["metadata"] = request.metadata
    for name, value in (
        ("transliterate", terms.transliterate),
        ("lookalikes", terms.lookalikes),
        ("flash", request.flash),
        ("pinned", terms.pinned),
    ):
        if value:
            record[name] = True
    return Out(submissions_topic(request.lane), request.to.encode(), orjson.dumps(record), headers)


def accepted_event(events: EventMaker, message: Message, at_ms: int, headers: Headers) -> Out:
    """The event of a message that was taken."""
    return events.out(
        "accepted",
        occurred_at_ms=at_ms,
        message_id=message.message_id,
        headers=headers,
        accepted_at_ms=message.accepted_at_ms,
        account_id=message.account_id,
        idempotency_key=message.idempotency_key,
        to=message.to,
        sender=message.sender,
        country=message.country,
        lane=message.lane,
        connector_id=message.connector_id,
    )


def rejected_event(
    events: EventMaker, message: Message, reason: str, field: str | None, detail: str, at_ms: int, headers: Headers
) -> Out:
    """The event of a request that was not taken."""
    return events.out(
        "rejected",
        occurred_at_ms=at_ms,
        message_id=message.message_id,
        headers=headers,
        accepted_at_ms=message.accepted_at_ms,
        account_id=message.account_id,
        idempotency_key=message.idempotency_key,
        to=message.to,
        sender=message.sender,
        country=message.country,
        lane=message.lane,
        reason=reason,
        field=field,
        detail=detail,
    )


def duplicate_event(
    events: EventMaker, first_id: str, first_at_ms: int, message: Message, at_ms: int, headers: Headers
) -> Out:
    """The event of a repeat that was dropped: one of the *first* message, since the repeat never becomes one."""
    return events.out(
        "duplicate",
        occurred_at_ms=at_ms,
        message_id=first_id,
        identity=(message.message_id,),
        headers=headers,
        accepted_at_ms=first_at_ms,
        account_id=message.account_id,
        idempotency_key=message.idempotency_key,
        detail=f"a repeat was dropped: {message.message_id}",
    )


def key_out(record: In, hashed: bytes, message_id: str, body: bytes, accepted_at_ms: int) -> Out:
    """The key that a message took, in the partition of its request."""
    topic = INGRESS_KEYS_OTP if record.topic == MT_REQUESTS_OTP else INGRESS_KEYS
    value = changelog_value(message_id, body, accepted_at_ms)
    return Out(topic, hashed.hex().encode(), value, (), record.partition)


def moved_out(record: In, place: Place, request: Admitted, home: int) -> Out:
    """The request as it came, in the partition where its idempotency key is looked after."""
    key = home_key(request.account_id, request.idempotency_key or "")
    return Out(record.topic, key, record.value, headers_of_copy(record, place), home)
