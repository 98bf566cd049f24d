"""Records as ingress writes them, for the tests of the scheduler, and stores to keep them in."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from schemas.scheduled import ScheduledMessage
from schemas.topics import LIFECYCLE_EVENTS, MT_SCHEDULED
from services.scheduler.partition import WaitingPartition
from services.scheduler.store import SqliteStore
from shared.kafka.records import Headers, Out
from shared.messages.events import EventMaker
from tests.unit.submissions import AT_MS, context

EVENTS = EventMaker("scheduler", "0")
HOUR_MS = 3_600_000
DUE_MS = AT_MS + HOUR_MS


class Record(NamedTuple):
    """What the scheduler reads of a consumed record."""

    value: bytes | None
    offset: int = 0
    topic: str = MT_SCHEDULED
    partition: int = 0
    timestamp: int = AT_MS
    key: bytes | None = None
    headers: Headers = ()


def message_id(number: int) -> str:
    return f"019f0000-0000-7000-8000-{number:012x}"


def scheduled(number: int = 1, *, due_ms: int = DUE_MS, valid_ms: int = HOUR_MS, **fields: Any) -> ScheduledMessage:
    """Message `number`; fields of its context are given by name too."""
    told = {name: fields.pop(name) for name in context()._fields if name in fields}
    own = {"send_at_ms": due_ms, "due_at_ms": due_ms, "expires_at_ms": due_ms + valid_ms} | fields
    return ScheduledMessage(context=context(message_id=message_id(number), **told), content='{"text":"x"}', **own)


def store(place: Path | None = None) -> SqliteStore:
    return SqliteStore(place, "cluster/0")


def partition(found: SqliteStore | None = None) -> WaitingPartition:
    return WaitingPartition(0, found or store(), EVENTS)


def events(outs: Iterable[Out]) -> list[dict[str, Any]]:
    """The events among `outs`."""
    return [orjson.loads(out.value or b"") for out in outs if out.topic == LIFECYCLE_EVENTS]


def words(outs: Iterable[Out]) -> list[str]:
    return [event["event"] for event in events(outs)]


def values(outs: Iterable[Out], topic: str) -> list[dict[str, Any]]:
    return [orjson.loads(out.value or b"null") for out in outs if out.topic == topic]
