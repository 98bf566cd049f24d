"""Unit tests of when hours are recomputed."""

from collections.abc import Mapping
from typing import Any

import pytest

from services.recorder import app
from services.recorder.app import RecorderHandler
from services.recorder.clickhouse import ClickHouse
from services.recorder.rollup import (
    HOURS_MAX,
    IN_ONE_GO_MS,
    MARK_HOUR,
    NUMBERS,
    OLD_EVERY_MS,
    REFRESH_MS,
    SHARE,
    RollupPlan,
    open_since_s,
)
from tests.unit.recorder.clickhouse_double import FakeHost, NoPauses

HOUR = 1_800_000_000
TIME_S = HOUR + 30 * 60
NOW = 7_000  # milliseconds of the own clock, which begins somewhere
OLD = HOUR - 5 * 3600


def begun() -> RollupPlan:
    """A plan after its first look, at NOW."""
    plan = RollupPlan(NOW)
    plan.choose([], NOW, TIME_S)
    plan.done(NOW, NOW)
    return plan


def test_the_first_look_is_due_at_once() -> None:
    plan = RollupPlan(NOW)
    assert plan.due_at_ms() == NOW
    assert plan.choose([OLD, HOUR], NOW, TIME_S) == (HOUR, OLD)


def test_nothing_is_due_while_nothing_changes() -> None:
    plan = begun()
    assert plan.due_at_ms() is None


def test_changes_are_due_together() -> None:
    plan = begun()
    plan.changed(NOW + 1000)
    plan.changed(NOW + 5000)
    assert plan.due_at_ms() == NOW + 1000 + REFRESH_MS


def test_an_expensive_recomputation_is_followed_by_a_long_rest() -> None:
    plan = begun()
    plan.done(NOW, NOW + 2000)
    plan.changed(NOW + 3000)
    assert plan.due_at_ms() == NOW + 2000 + SHARE * 2000


def test_hours_that_are_over_wait_for_each_other() -> None:
    plan = begun()
    plan.changed(NOW)
    assert plan.choose([OLD, HOUR - 3600, HOUR], NOW + 10_000, TIME_S + 10) == (HOUR, HOUR - 3600)
    assert plan.due_at_ms() == NOW + OLD_EVERY_MS
    assert plan.choose([OLD - 3600], NOW + OLD_EVERY_MS, TIME_S + 600) == (OLD, OLD - 3600)
    assert plan.due_at_ms() is None


def test_what_failed_stays_due() -> None:
    plan = begun()
    plan.changed(NOW)
    hours = plan.choose([HOUR], NOW + 10_000, TIME_S + 10)
    plan.put_back([*hours, OLD], NOW + 11_000)
    assert plan.due_at_ms() == NOW + 11_000 + REFRESH_MS
    assert plan.choose([], NOW + 30_000, TIME_S + 30) == (HOUR, OLD)


def test_this_hour_and_the_last_are_open() -> None:
    assert open_since_s(TIME_S) == HOUR - 3600
    assert open_since_s(HOUR) == HOUR - 3600
    assert open_since_s(HOUR - 1) == HOUR - 7200


def test_many_hours_are_recomputed_in_several_goes_the_newest_first() -> None:
    plan = RollupPlan(NOW)
    dirty = [HOUR - 3600 * age for age in range(HOURS_MAX + 10)]
    assert plan.choose(dirty, NOW, TIME_S) == tuple(dirty[:HOURS_MAX])
    plan.done(NOW, NOW + 1000)
    due_ms = plan.due_at_ms()
    assert due_ms == NOW + 1000 + 1000 * SHARE, "events come first"
    assert plan.choose([], due_ms, TIME_S) == tuple(dirty[HOURS_MAX:])
    assert plan.due_at_ms() is None


class SlowClickHouse(ClickHouse):
    """Every statement takes a second. Its hours are dirty until they are marked; none is in the index of numbers."""

    def __init__(self, *hours: int) -> None:
        super().__init__("http://127.0.0.1:9", "default", "")
        self.now_ms = NOW
        self.dirty = set(hours)
        self.numbered: list[Any] = []
        self.done: list[Any] = []

    async def rows(self, query: str, parameters: Mapping[str, str | int] | None = None) -> list[tuple[Any, ...]]:
        return [(hour, hour in self.numbered) for hour in sorted(self.dirty)]

    async def execute(self, statement: str, parameters: Mapping[str, str | int] | None = None) -> None:
        self.now_ms += 1_000
        hour = (parameters or {})["hour_s"]
        if statement == NUMBERS:
            self.numbered.append(hour)
        if statement == MARK_HOUR:
            self.done.append(hour)
            self.dirty.discard(int(hour))


async def test_hours_that_take_long_are_done_by_and_by_and_their_numbers_with_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hours = [OLD - n * 3600 for n in range(3)]
    slow = SlowClickHouse(*hours)
    monkeypatch.setattr(app, "steady_ms", lambda: slow.now_ms)
    monkeypatch.setattr(app, "now_ms", lambda: TIME_S * 1000)
    plan = RollupPlan(NOW)
    handler = RecorderHandler(slow, NoPauses(FakeHost()), plan, unexplained_max=20)
    for count in (1, 2, 3):
        began_ms = slow.now_ms
        await handler.handle([], 0)
        assert slow.done == slow.numbered == hours[:count], "one takes longer than is begun"
        took_ms = slow.now_ms - began_ms
        assert took_ms > IN_ONE_GO_MS
        if due_ms := plan.due_at_ms():
            assert due_ms == slow.now_ms + took_ms * SHARE
            slow.now_ms = due_ms
    assert plan.due_at_ms() is None
    await slow.close()
