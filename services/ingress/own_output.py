"""Pure: what ingress has decided already, so that it does not decide it again (docs/guarantees.md).

Filled on assignment with what predecessors wrote since their last commits. They were fenced before, so nothing comes
later; what comes twice for other reasons does not pass here.
"""

from contextlib import suppress
from hashlib import blake2b
from typing import NamedTuple

from schemas.scheduled import ScheduledMessage
from schemas.submissions import Submission
from services.ingress.place import place_of
from shared.kafka.records import In, object_of


class Routed(NamedTuple):
    """What a written submission says that today's configuration may say otherwise."""

    connector_id: str
    sender: str


class Waits(NamedTuple):
    """The same of a message that was given to the scheduler."""

    wait_no: int
    sender: str


class EndedByIngress(NamedTuple):
    """A final status as it was written."""

    status: str
    reason: str
    field: str | None
    occurred_at_ms: int


class DecidedByIngress:
    """Decisions by message and route. Empty except for some time after an assignment."""

    def __init__(self) -> None:
        self._routed: dict[tuple[str, int], Routed] = {}
        self._waits: dict[str, Waits] = {}
        self._ended: dict[str, EndedByIngress] = {}
        self._copied: dict[tuple[int, int], bytes] = {}

    def add_submission(self, value: bytes | None) -> None:
        """A record of `mt.submissions*`. Records that are not ours are no concern of this module."""
        with suppress(ValueError):
            submission = Submission.from_json(value or b"")
            context = submission.context
            self._routed[context.message_id, submission.route_no] = Routed(submission.connector_id, context.sender)

    def add_scheduled(self, value: bytes | None) -> None:
        """A record of `mt.scheduled`."""
        with suppress(ValueError):
            message = ScheduledMessage.from_json(value or b"")
            found, message_id = Waits(message.wait_no, message.context.sender), message.context.message_id
            self._waits[message_id] = max(found, self._waits.get(message_id, found))

    def add_status(self, value: bytes | None) -> None:
        """A record of `mt.statuses`, whoever wrote it: a message that has its final status is over."""
        record = object_of(value)
        get = record.get
        message_id, status, occurred_at_ms = get("message_id"), get("status"), get("occurred_at_ms")
        if get("final") is True and isinstance(message_id, str) and isinstance(occurred_at_ms, int):
            self._ended[message_id] = EndedByIngress(str(status), get("reason") or "", get("field"), occurred_at_ms)

    def add_request(self, record: In) -> None:
        """A record of the requests' own topic: it may be the copy of another, in the partition of its key."""
        if record.headers and (place := place_of(record)).moved:
            self._copied[place.partition, place.offset] = _hash(record.value)

    def routed(self, message_id: str, route_no: int) -> Routed | None:
        """What this route was given to; None when undecided."""
        return self._routed.get((message_id, route_no))

    def waits(self, message_id: str, wait_no: int = 1) -> Waits | None:
        """What the scheduler was given for that wait, or a later one; None when it was not."""
        found = self._waits.get(message_id)
        return found if found is not None and found.wait_no >= wait_no else None

    def ended(self, message_id: str) -> EndedByIngress | None:
        """The final status that was read back."""
        return self._ended.get(message_id)

    def is_copied(self, record: In) -> bool:
        """Whether `record` lies in the partition of its key already. The origin stands in headers, which anybody may
        write: only a copy of the same octets counts."""
        return bool(self._copied) and self._copied.get((record.partition, record.offset)) == _hash(record.value)

    def __bool__(self) -> bool:
        return bool(self._routed or self._waits or self._ended or self._copied)

    def forget(self) -> None:
        """The records that a predecessor may have decided have all been handled."""
        self._routed.clear()
        self._waits.clear()
        self._ended.clear()
        self._copied.clear()


def _hash(value: bytes | None) -> bytes:
    return blake2b(value or b"", digest_size=16).digest()
