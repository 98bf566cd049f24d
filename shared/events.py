"""Pure: lifecycle events, built as bytes at once (five or six per message: no model in between)."""

from typing import Any, Final

import orjson

from schemas.lifecycle_events import EventWord
from schemas.topics import LIFECYCLE_EVENTS
from schemas.wire import NIL_UUID
from shared.ids import derived_id
from shared.records import Headers, Out


class EventMaker:
    """Makes the events of one process."""

    def __init__(self, service: str, instance: str) -> None:
        self._base: Final = {"schema_version": 1, "service": service, "instance": instance}

    def out(
        self,
        event: EventWord,
        *,
        occurred_at_ms: int,
        message_id: str = NIL_UUID,
        identity: tuple[str | int, ...] = (),
        headers: Headers = (),
        **columns: Any,
    ) -> Out:
        """The event as a record of `lifecycle.events`, keyed by `message_id`.

        `columns` are fields of `schemas.lifecycle_events.LifecycleEvent`; empty ones ("" 0 False None) are left out.
        The event_id is a function of the word, the message, segment_index, attempt, route_no and `identity`: whatever
        else tells two events of the same kind apart (for those without a message, give the time or the place).
        """
        event_id = derived_id(
            columns.get("accepted_at_ms") or occurred_at_ms,
            event,
            message_id,
            columns.get("segment_index", 0),
            columns.get("attempt", 0),
            columns.get("route_no", 0),
            *identity,
        )
        record = self._base | {
            "event_id": event_id,
            "message_id": message_id,
            "event": event,
            "occurred_at_ms": occurred_at_ms,
        }
        for name, value in columns.items():
            if value:
                record[name] = value
        return Out(LIFECYCLE_EVENTS, message_id.encode(), orjson.dumps(record), headers)
