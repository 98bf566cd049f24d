"""Pure: events as rows: the body of an INSERT, and which rows cannot be one.

Values are not decoded on their way: newline-joined, they are what ClickHouse reads as JSONEachRow. Only when it
refuses a body is every row of it looked at here, to find those that are to blame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson

from schemas.lifecycle_events import LifecycleEvent

DAY_MS: Final = 86_400_000
OLDEST_DAYS: Final = 97
NEWEST_DAYS: Final = 2
"""An event is about a message of these days before and after its record: it may have waited for 90, and then be valid
for 7. More than 100 days break a whole block."""

_UUIDS: Final = ("event_id", "message_id")
_TIMES: Final = ("occurred_at_ms", "accepted_at_ms")
_TYPES: Final[dict[str, type]] = {
    name: field.annotation if isinstance(field.annotation, type) else str
    for name, field in LifecycleEvent.model_fields.items()
}
"""What each field is in JSON: str, int or bool (words are strings)."""
_INT_MAX: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Why a value cannot be a row: reason (a word), field ("" = the whole value) and a sentence."""

    reason: str
    field: str
    sentence: str


def insert_body(values: Sequence[bytes]) -> bytes:
    """The body of one `INSERT ... FORMAT JSONEachRow`."""
    return b"\n".join(values)


def problem_of(value: bytes | None, recorded_at_ms: int) -> RowProblem | None:
    """What is wrong with a value as an event; None when nothing is. `recorded_at_ms` is the time of its record."""
    if value is None:
        return RowProblem("invalid_record", "", "the record has no value")
    try:
        event = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        return RowProblem("invalid_record", "", f"not JSON: {error}")
    if not isinstance(event, dict):
        return RowProblem("invalid_record", "", "not a JSON object")
    for name in ("event_id", "event", "service", "occurred_at_ms"):
        if name not in event:
            return RowProblem("invalid_record", name, "the field is missing")
    for name, content in event.items():
        if name in _TYPES and (sentence := _wrong(name, content)):
            return RowProblem("invalid_record", name, sentence)
    return _absurd_time(event, recorded_at_ms)


def _wrong(name: str, content: object) -> str | None:
    """A sentence when `content` is not of the field's type."""
    expected = _TYPES[name]
    if content is None:
        return None  # ClickHouse takes null for the default
    if type(content) is not expected:
        return f"must be {expected.__name__}, not {type(content).__name__}"
    if isinstance(content, int) and not 0 <= content <= _INT_MAX:
        return "must be between 0 and 2^63 - 1"
    if name in _UUIDS and not _is_uuid(str(content)):
        return "not a UUID"
    return None


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _absurd_time(event: dict[str, Any], recorded_at_ms: int) -> RowProblem | None:
    for name in _TIMES:
        at_ms = event.get(name) or 0
        if name == "accepted_at_ms" and at_ms == 0:
            continue
        if not is_near(at_ms, recorded_at_ms):
            sentence = f"{at_ms} is not within {OLDEST_DAYS} days before or {NEWEST_DAYS} days after the record"
            return RowProblem("absurd_time", name, sentence)
    return None


def is_near(at_ms: int, recorded_at_ms: int) -> bool:
    """Whether an event of the time `at_ms` can be in a record of `recorded_at_ms`."""
    return recorded_at_ms - OLDEST_DAYS * DAY_MS <= at_ms <= recorded_at_ms + NEWEST_DAYS * DAY_MS
