"""Pure: a record of `mt.dispatch.<connector>` -> a segment to submit."""

from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson
from pydantic import ValidationError

from schemas.dispatch import SPACING_MAX_US, Dispatch
from services.binder.payload_readers import PAYLOAD_READERS
from shared.kafka.records import In

_NEEDED: Final = itemgetter("id", "lane", "expires_at_ms", "spacing_us", "kind", "payload")
_TYPES: Final = (str, str, int, int, str, dict)


class DispatchedSegment(NamedTuple):
    """One dispatched segment. `id` is message_id/route_no/index/attempt; `expires_at_ms` wall clock; `payload` as the
    connector's kind reads it. A tuple, because one is made for every message.
    """

    offset: int
    id: str
    otp: bool
    expires_at_ms: int
    spacing_us: int
    payload: Any
    accepted_at_ms: int
    record: In
    lane: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that is no dispatch. `id` is "" when not even that could be read."""

    offset: int
    id: str
    record: In
    error: Exception


def read_dispatch(record: In) -> DispatchedSegment | Unreadable:
    """Never raises. The usual record is read by hand, four times faster; what is not usual is judged by the model."""
    value = record.value or b""
    try:
        fields = orjson.loads(value)
        needed = _NEEDED(fields)
        if tuple(map(type, needed)) == _TYPES and 1 <= needed[3] <= SPACING_MAX_US:
            return _segment(fields, needed, record)
    except (ValueError, TypeError, KeyError):
        pass
    try:
        fields = Dispatch.from_json(value).model_dump()
        return _segment(fields, _NEEDED(fields), record)
    except (ValidationError, ValueError) as error:
        return Unreadable(record.offset, _id_at_least(value), record, error)


def _segment(fields: dict[str, Any], needed: tuple[Any, ...], record: In) -> DispatchedSegment:
    named, lane, expires_at_ms, spacing_us, kind, payload = needed
    reader = PAYLOAD_READERS.get(kind)
    if reader is None:
        raise ValueError(f"no connector of kind {kind!r} is served here")
    accepted_at_ms = fields.get("accepted_at_ms")
    return DispatchedSegment(
        record.offset,
        named,
        lane == "otp",
        expires_at_ms,
        spacing_us,
        reader(payload),
        accepted_at_ms if type(accepted_at_ms) is int else 0,
        record,
        lane,
    )


def _id_at_least(value: bytes) -> str:
    try:
        found = orjson.loads(value)
    except ValueError:
        return ""
    named = found.get("id") if isinstance(found, dict) else None
    return named if isinstance(named, str) else ""


@dataclass(frozen=True, slots=True)
class SegmentId:
    """The parts of an id."""

    message_id: str
    route_no: int
    index: int
    attempt: int


def read_id(text: str) -> SegmentId | None:
    """The parts of `message_id/route_no/index/attempt`; None when `text` is no such id."""
    parts = text.split("/")
    if len(parts) != 4 or not all(part.isdecimal() for part in parts[1:]):
        return None
    return SegmentId(parts[0], int(parts[1]), int(parts[2]), int(parts[3]))
