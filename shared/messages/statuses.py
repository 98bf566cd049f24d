"""Pure: a change of a message's status as records: one of `mt.statuses`, and its event.

For every service that ends messages. The status_id is a function of message and word, so that a repeat collapses.
"""

from typing import Any, Protocol

import orjson

from schemas.statuses import StatusWord
from schemas.topics import MT_STATUSES
from shared.kafka.records import Headers, Out
from shared.messages.events import EventMaker
from shared.messages.ids import status_id_of


class About(Protocol):
    """What a status tells of its message. `account_id` and `to` are None where a rejected request could not be read.

    A `Submission` is one.
    """

    @property
    def message_id(self) -> str: ...
    @property
    def route_no(self) -> int: ...
    @property
    def account_id(self) -> str | None: ...
    @property
    def idempotency_key(self) -> str | None: ...
    @property
    def to(self) -> str | None: ...
    @property
    def sender(self) -> str: ...
    @property
    def country(self) -> str: ...
    @property
    def lane(self) -> str: ...
    @property
    def connector_id(self) -> str: ...
    @property
    def accepted_at_ms(self) -> int: ...
    @property
    def metadata(self) -> dict[str, str]: ...


def status_outs(
    events: EventMaker,
    about: About,
    status: StatusWord,
    *,
    final: bool,
    occurred_at_ms: int,
    reason: str = "",
    field: str | None = None,
    smsc_error: str | None = None,
    segments: int = 0,
    segments_delivered: int = 0,
    headers: Headers = (),
    detail: str = "",
) -> tuple[Out, Out]:
    """The record of `mt.statuses` (schemas/statuses.py) and the event `status`.

    `occurred_at_ms` is when the change happened, not when it is written; `detail` is for the event alone.
    """
    record: dict[str, Any] = {
        "schema_version": 1,
        "status_id": status_id_of(about.accepted_at_ms, about.message_id, status),
        "message_id": about.message_id,
        "account_id": about.account_id,
        "to": about.to,
        "status": status,
        "final": final,
        "segments": segments,
        "segments_delivered": segments_delivered,
        "accepted_at_ms": about.accepted_at_ms,
        "occurred_at_ms": occurred_at_ms,
        "metadata": about.metadata,
    }
    optional = {
        "idempotency_key": about.idempotency_key,
        "connector_id": about.connector_id,
        "reason": reason,
        "field": field,
        "smsc_error": smsc_error,
    }
    record |= {name: value for name, value in optional.items() if value}
    event = events.out(
        "status",
        message_id=about.message_id,
        occurred_at_ms=occurred_at_ms,
        identity=(status,),
        headers=headers,
        route_no=about.route_no,
        accepted_at_ms=about.accepted_at_ms,
        account_id=about.account_id,
        to=about.to,
        sender=about.sender,
        country=about.country,
        lane=about.lane,
        segments=segments,
        segments_delivered=segments_delivered,
        status=status,
        final=final,
        latency_ms=max(0, occurred_at_ms - about.accepted_at_ms),
        detail=detail,
        **optional,
    )
    return Out(MT_STATUSES, about.message_id.encode(), orjson.dumps(record), headers), event
