"""Pure: what ingress has decided already, so that it does not decide it again (docs/guarantees.md).

Two sources: what a predecessor wrote shortly before its last commit, read back on assignment (`add_*`), and what this
process has decided about records that may come twice without a crash: moved copies and re-routes (`note`).
"""

from collections import OrderedDict
from contextlib import suppress
from typing import Final, NamedTuple

from schemas.submissions import Submission
from shared.kafka.records import object_of

NOTED_MAX: Final = 100_000


class EndedByIngress(NamedTuple):
    """A final status as it was written."""

    status: str
    reason: str
    field: str | None
    occurred_at_ms: int


class DecidedByIngress:
    """Decisions by message and route. Bounded: what was read back is forgotten once it can no longer be asked for."""

    def __init__(self, noted_max: int = NOTED_MAX) -> None:
        self._noted_max = noted_max
        self._noted: OrderedDict[tuple[str, int], str] = OrderedDict()
        self._routed: dict[tuple[str, int], str] = {}
        self._ended: dict[str, EndedByIngress] = {}

    def add_submission(self, value: bytes | None) -> None:
        """A record of `mt.submissions*`. Records that are not ours are no concern of this module."""
        with suppress(ValueError):
            submission = Submission.from_json(value or b"")
            self._routed[submission.context.message_id, submission.route_no] = submission.connector_id

    def add_status(self, value: bytes | None) -> None:
        """A record of `mt.statuses`, whoever wrote it: a message that has its final status is over."""
        record = object_of(value)
        get = record.get
        message_id, status, occurred_at_ms = get("message_id"), get("status"), get("occurred_at_ms")
        if get("final") is True and isinstance(message_id, str) and isinstance(occurred_at_ms, int):
            self._ended[message_id] = EndedByIngress(str(status), get("reason") or "", get("field"), occurred_at_ms)

    def note(self, message_id: str, route_no: int, connector_id: str) -> None:
        """This process has sent `route_no` of the message to a connector ("" = has ended it)."""
        self._noted[message_id, route_no] = connector_id
        if len(self._noted) > self._noted_max:
            self._noted.popitem(last=False)

    def routed(self, message_id: str, route_no: int) -> str | None:
        """The connector that this route was given to; "" when it was ended by this process; None when undecided."""
        place = message_id, route_no
        found = self._routed.get(place)
        return self._noted.get(place) if found is None else found

    def ended(self, message_id: str) -> EndedByIngress | None:
        """The final status that was read back."""
        return self._ended.get(message_id)

    def is_empty(self) -> bool:
        """Whether nothing is known: the usual case, which saves the look-ups."""
        return not (self._routed or self._ended or self._noted)

    def forget_read_back(self) -> None:
        """The records that a predecessor may have decided have all been handled."""
        self._routed.clear()
        self._ended.clear()
