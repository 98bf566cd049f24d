"""How old the beats of others are, on a machine whose clock is wrong."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.service_states import CLOCK_KEY, ServiceState
from shared.operations import beats as module
from shared.operations.beats import BeatTable, read_beats
from shared.process.instance import BEAT_FRESH_MS
from shared.process.settings import Settings

KAFKA_MS = 1_790_000_000_000
HOUR_MS = 3_600_000
EITHER_WAY = pytest.mark.parametrize("ahead_ms", [HOUR_MS, -HOUR_MS])


def record(service: str, at_ms: int, *, key: bytes = b"", clean_stop: bool = False) -> Any:
    state = ServiceState(
        service=service, instance="0", pid=7, beat_at_ms=at_ms, started_at_ms=at_ms, ready=True, progress_at_ms=at_ms
    )
    return SimpleNamespace(
        key=key or f"{service}|0|7".encode(), timestamp=at_ms, value=None if clean_stop else state.to_json()
    )


class Reader:
    """The table reader: some records lie there, others come `later`."""

    there: tuple[Any, ...] = ()
    later: tuple[Any, ...] = ()

    def __init__(self, settings: Settings, tables: dict[str, Any]) -> None:
        self._read = tables["service.states"]

    async def start(self) -> None:
        for one in self.there:
            self._read(one)
        asyncio.get_running_loop().call_later(0.01, lambda: [self._read(one) for one in self.later])

    async def stop(self) -> None:
        pass


async def ages(
    monkeypatch: pytest.MonkeyPatch, ahead_ms: int, there: list[Any], later: list[Any] | None = None
) -> dict[str, bool]:
    """Which services count as alive on a machine whose clock is off so far."""
    monkeypatch.setattr(Reader, "there", tuple(there))
    monkeypatch.setattr(Reader, "later", tuple(later or ()))
    monkeypatch.setattr(module, "TableReader", Reader)
    monkeypatch.setattr(module, "FOLLOW_S", 0.1)
    monkeypatch.setattr(module, "now_ms", lambda: KAFKA_MS + ahead_ms)
    _, found = await read_beats(Settings(kafka_bootstrap_servers="127.0.0.1:1"))
    return {beat.state.service: beat.fresh for beat in found}


STATES = [record("binder", KAFKA_MS - 1_000), record("encoder", KAFKA_MS - 60_000), record("ingress", KAFKA_MS)]


@EITHER_WAY
async def test_who_lives_is_told_by_the_next_beat_of_anyone(monkeypatch: pytest.MonkeyPatch, ahead_ms: int) -> None:
    later = [record("ingress", KAFKA_MS + 1_500)]
    assert await ages(monkeypatch, ahead_ms, STATES, later) == {"binder": True, "encoder": False, "ingress": True}


@EITHER_WAY
async def test_nobody_lives_when_no_beat_comes(monkeypatch: pytest.MonkeyPatch, ahead_ms: int) -> None:
    assert await ages(monkeypatch, ahead_ms, STATES) == {"binder": False, "encoder": False, "ingress": False}


@pytest.mark.parametrize("ahead_ms", [BEAT_FRESH_MS - 1, 0, 1 - BEAT_FRESH_MS])
async def test_with_a_clock_that_is_nearly_right_nobody_waits(monkeypatch: pytest.MonkeyPatch, ahead_ms: int) -> None:
    monkeypatch.setattr(module, "_moves", None)
    assert await ages(monkeypatch, ahead_ms, STATES) == {"binder": True, "encoder": False, "ingress": True}


@EITHER_WAY
async def test_without_any_beat_there_is_nothing_to_wait_for(monkeypatch: pytest.MonkeyPatch, ahead_ms: int) -> None:
    monkeypatch.setattr(module, "_moves", None)
    assert await ages(monkeypatch, ahead_ms, []) == {}
    gone = record("binder", KAFKA_MS, clean_stop=True)
    assert await ages(monkeypatch, ahead_ms, [*STATES[:1], gone]) == {}


def test_a_record_that_only_asks_for_the_time_tells_it_too() -> None:
    table = BeatTable()
    table.read(STATES[0])
    table.read(record("", KAFKA_MS + 15_000, key=CLOCK_KEY, clean_stop=True))
    time_ms = table.time_ms(0, current=True)
    assert time_ms == KAFKA_MS + 15_000
    assert [(beat.state.service, beat.age_ms, beat.fresh) for beat in table.beats(time_ms)] == [
        ("binder", 16_000, False)
    ]
