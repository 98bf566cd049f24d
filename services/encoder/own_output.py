"""Pure: what the encoder has decided already, so that it does not decide it again.

Filled on assignment with what was written lately (`shared.membership.replay_guard`): a replay under a changed
configuration would give a message that lies in a lane to another connector as well, or send one whose rejection is
written.
"""

from contextlib import suppress
from typing import Final, Literal, NamedTuple

from schemas.reroutes import Reroute
from shared.kafka.records import object_of
from shared.messages.routes import route_of

IN_LANE: Final = "in_lane"
REROUTED: Final = "rerouted"


class EndedByEncoder(NamedTuple):
    """A final status as it was written."""

    status: str
    reason: str
    field: str | None
    occurred_at_ms: int


Before = Literal["in_lane", "rerouted"] | EndedByEncoder


class DecidedByEncoder:
    """Decisions by message and route. Empty except for some time after an assignment."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, int], Literal["in_lane", "rerouted"]] = {}
        self._ended: dict[str, EndedByEncoder] = {}

    def add_segmented(self, value: bytes | None) -> None:
        """A record of a lane."""
        if route := route_of(value or b""):
            self._routes[route] = IN_LANE

    def add_reroute(self, value: bytes | None) -> None:
        """A record of `mt.reroutes`. The throttler writes them too, of what has been in a lane."""
        with suppress(ValueError):
            reroute = Reroute.from_json(value or b"")
            self._routes[reroute.context.message_id, reroute.route_no] = REROUTED

    def add_status(self, value: bytes | None) -> None:
        """A record of `mt.statuses`, whoever wrote it: a message that has its final status is over."""
        get = object_of(value).get
        message_id, occurred_at_ms = get("message_id"), get("occurred_at_ms")
        if get("final") is True and isinstance(message_id, str) and isinstance(occurred_at_ms, int):
            self._ended[message_id] = EndedByEncoder(
                str(get("status")), get("reason") or "", get("field"), occurred_at_ms
            )

    def before(self, message_id: str, route_no: int) -> Before | None:
        """What this route of the message came to; None where nothing was decided."""
        return self._ended.get(message_id) or self._routes.get((message_id, route_no))

    def __bool__(self) -> bool:
        return bool(self._routes or self._ended)

    def forget(self) -> None:
        """The records that a predecessor may have decided have all been handled."""
        self._routes.clear()
        self._ended.clear()
