"""Edge: a ClickHouse as the recorder sees it, by script: sick by turns, with rows that it does not take."""

import asyncio
from collections.abc import Callable, Sequence

import orjson
from aiokafka import ConsumerRecord

from services.recorder.clickhouse import ClickHouseUnavailable
from services.recorder.patience import Patience
from services.recorder.probe import PROBE_ID
from services.recorder.recording import Recording

NOW = 1_800_000_000_000


class FakeHost:
    """The process around a recorder."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self.last_error = ""
        self.steps = 0

    def progress(self, part: str = "") -> None:
        self.steps += 1


class ScriptedClickHouse:
    """Takes what is inserted, but for the values in `poison` and blocks of more than `largest` rows.

    `trouble` tells, by the number of the call and what is inserted, what is wrong with the server just then.
    """

    def __init__(self, poison: set[bytes] | None = None) -> None:
        self.poison = poison or set()
        self.largest = 1_000_000
        self.trouble: Callable[[int, Sequence[bytes]], ClickHouseUnavailable | None] = lambda call, values: None
        self.stored: list[bytes] = []
        self.calls: list[list[bytes]] = []

    async def insert(self, values: Sequence[bytes]) -> None:
        self.calls.append(list(values))
        trouble = self.trouble(len(self.calls) - 1, values)
        if trouble is not None:
            raise trouble
        if len(values) > self.largest:
            raise said("Code: 241. DB::Exception: (MEMORY_LIMIT_EXCEEDED)")
        if self.poison.intersection(values):
            raise said("Code: 27. DB::Exception: cannot parse: (at row 1)")
        self.stored += [value for value in values if not is_probe(value)]

    @property
    def probes(self) -> int:
        return sum(is_probe(values[0]) for values in self.calls)


class NoPauses(Patience):
    """Waits as the recorder does, but next to no time."""

    async def pause(self, tries: int, error: Exception | None = None) -> None:
        await super().pause(-99, error)


def said(sentence: str) -> ClickHouseUnavailable:
    """What ClickHouse itself answers."""
    return ClickHouseUnavailable(sentence, answered=True)


def is_probe(value: bytes) -> bool:
    return PROBE_ID.encode() in value


def event(number: int, **changes: object) -> bytes:
    return orjson.dumps(
        {
            "event_id": f"01a20b71-4b69-75ab-8da3-{number:012}",
            "event": "accepted",
            "service": "x",
            "occurred_at_ms": NOW,
        }
        | changes
    )


def in_kafka(values: Sequence[bytes | None], now_ms: int = NOW) -> list[ConsumerRecord]:
    return [
        ConsumerRecord("lifecycle.events", 1, offset, now_ms, 1, b"key", value, 0, 0, 0, ())
        for offset, value in enumerate(values)
    ]


async def letters_of(
    recording: Recording, values: Sequence[bytes | None], now_ms: int = NOW
) -> dict[int, tuple[str, str]]:
    """Record `values`; returns what became dead letters: offset to (reason, field), in their order."""
    outs = await recording.record(in_kafka(values, now_ms), now_ms + 5)
    assert {out.topic for out in outs} <= {"lifecycle.events.dlq"}
    headers = [{name: value or b"" for name, value in out.headers} for out in outs]
    assert len(headers) == len({h["dlq_offset"] for h in headers})
    return {int(h["dlq_offset"]): (h["dlq_reason"].decode(), h["dlq_field"].decode()) for h in headers}
