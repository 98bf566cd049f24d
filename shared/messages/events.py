"""Pure: lifecycle events, built as bytes at once (five or six per message: no model in between)."""

from collections import Counter
from typing import Any, Final

import orjson

from schemas.lifecycle_events import EventWord, LifecycleEvent
from schemas.message_context import MessageContext
from schemas.topics import LIFECYCLE_EVENTS
from schemas.wire import NIL_UUID
from shared.kafka.records import Headers, Out
from shared.messages.ids import derived_id

_COLUMNS: Final = tuple(
    (place, name)
    for place, name in enumerate(MessageContext._fields)
    if name in LifecycleEvent.model_fields and name not in {"message_id", "accepted_at_ms"}
)


def columns_of(context: MessageContext) -> dict[str, Any]:
    """What an event tells of its message besides `message_id` and `accepted_at_ms`, without what is empty."""
    return {name: context[place] for place, name in _COLUMNS if context[place]}


class EventMaker:
    """Makes the events of one process."""

    def __init__(self, service: str, instance: str) -> None:
        # what never changes is encoded once; the rest is appended to it
        self.tally: Final[Counter[str]] = Counter()
        """How many were made, by word."""
        self._prefix: Final = orjson.dumps({"schema_version": 1, "service": service, "instance": instance})[:-1] + b","

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
        self.tally[event] += 1
        found = {name: value for name, value in columns.items() if value}
        what = f"{event}\x1f{message_id}\x1f{found.get('segment_index', 0)}\x1f{found.get('attempt', 0)}"
        event_id = derived_id(found.get("accepted_at_ms") or occurred_at_ms, what, found.get("route_no", 0), *identity)
        found["event_id"] = event_id
        found["message_id"] = message_id
        found["event"] = event
        found["occurred_at_ms"] = occurred_at_ms
        value = self._prefix + orjson.dumps(found)[1:]
        return Out(LIFECYCLE_EVENTS, message_id.encode(), value, headers)

    def encoded(
        self,
        event: EventWord,
        members: bytes,
        *,
        occurred_at_ms: int,
        message_id: str,
        accepted_at_ms: int,
        segment_index: int,
        attempt: int,
        route_no: int,
        identity: tuple[str | int, ...] = (),
        headers: Headers = (),
    ) -> Out:
        """The same event (and id) as from `out`, for a service that writes thousands alike: `members` are the other
        columns, JSON members without braces (at least one), that were encoded once for all of them.
        """
        self.tally[event] += 1
        what = f"{event}\x1f{message_id}\x1f{segment_index}\x1f{attempt}"
        event_id = derived_id(accepted_at_ms or occurred_at_ms, what, route_no, *identity)
        value = (
            f'"event_id":"{event_id}","event":"{event}","message_id":"{message_id}","occurred_at_ms":{occurred_at_ms},'
            f'"accepted_at_ms":{accepted_at_ms},"segment_index":{segment_index},"attempt":{attempt},'
            f'"route_no":{route_no},'
        )
        return Out(LIFECYCLE_EVENTS, message_id.encode(), self._prefix + value.encode() + members + b"}", headers)
