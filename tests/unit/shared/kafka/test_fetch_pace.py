"""How often a consumer asks: on a fetcher and a clock that the test holds."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from shared.kafka.fetch_pace import FetchPace

PAUSE_S = 0.25


class Fetches:
    """A fetcher's requests: what each brings, and what was slept before it."""

    def __init__(self, *brings: bool) -> None:
        self._brings = iter(brings)
        self.now_s = 100.0
        self.asked_at_s: list[float] = []
        fetcher = SimpleNamespace(_proc_fetch_request=self._fetch)
        FetchPace(
            SimpleNamespace(_fetcher=fetcher),
            PAUSE_S,
            clock=lambda: self.now_s,
            sleep=lambda wait_s: self.sleep(wait_s),
        )
        self._paced = fetcher._proc_fetch_request

    async def _fetch(self, assignment: Any, node_id: int, request: Any) -> bool:
        self.asked_at_s.append(self.now_s)
        return next(self._brings)

    async def sleep(self, wait_s: float) -> None:
        self.now_s += wait_s

    async def fetch(self, node_id: int = 1) -> bool:
        brought: bool = await self._paced("assignment", node_id, "request")
        return brought


async def test_the_first_fetch_is_not_held_back() -> None:
    fetches = Fetches(True)
    assert await fetches.fetch()
    assert fetches.asked_at_s == [100.0]


async def test_after_one_that_brought_something_the_next_is_held_back() -> None:
    fetches = Fetches(True, True, False)
    for _ in range(3):
        await fetches.fetch()
    assert fetches.asked_at_s == [100.0, 100.25, 100.5]


async def test_what_passed_meanwhile_counts() -> None:
    fetches = Fetches(True, True, True)
    await fetches.fetch()
    fetches.now_s += 0.2
    await fetches.fetch()
    fetches.now_s += 3.0
    await fetches.fetch()
    assert fetches.asked_at_s == pytest.approx([100.0, 100.25, 103.25])


async def test_after_one_that_brought_nothing_the_next_goes_at_once() -> None:
    fetches = Fetches(False, False, True)
    for _ in range(3):
        assert not await fetches.fetch() or len(fetches.asked_at_s) == 3
    assert fetches.asked_at_s == [100.0] * 3


async def test_one_broker_does_not_hold_back_another() -> None:
    fetches = Fetches(True, True, True)
    await fetches.fetch(node_id=1)
    await fetches.fetch(node_id=2)
    await fetches.fetch(node_id=1)
    assert fetches.asked_at_s == [100.0, 100.0, 100.25]


async def test_one_that_is_cancelled_while_held_back_brought_nothing() -> None:
    """aiokafka cancels its fetches when partitions are taken away, and awaits them."""
    fetches = Fetches(True)
    await fetches.fetch()
    held = asyncio.Event()

    async def hang(_: float) -> None:
        held.set()
        await asyncio.Event().wait()

    fetches.sleep = hang  # type: ignore[assignment, method-assign]  # once
    task = asyncio.create_task(fetches.fetch())
    await held.wait()
    task.cancel()
    assert await task is False
    assert len(fetches.asked_at_s) == 1
