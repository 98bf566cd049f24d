"""Unit tests of waiting for ClickHouse."""

import asyncio

import pytest

from services.recorder import patience as waiting
from services.recorder.clickhouse import ClickHouseUnavailable
from services.recorder.patience import Patience
from shared.membership.handler import GivenUp
from tests.unit.recorder.clickhouse_double import FakeHost


async def test_it_waits_for_clickhouse_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FIRST_PAUSE_S", 0.001)
    host, seen = FakeHost(), []

    async def attempt() -> str:
        seen.append(host.last_error)
        if len(seen) < 4:
            raise ClickHouseUnavailable("it is down")
        return "done"

    assert await Patience(host).until_done(attempt) == "done"
    assert seen == ["", *["ClickHouse: it is down"] * 3]
    assert host.last_error == ""


async def test_pauses_grow_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def wait_for(waiter: object, timeout: float) -> None:
        waiter.close()  # type: ignore[attr-defined]
        pauses.append(timeout)
        raise TimeoutError

    monkeypatch.setattr(asyncio, "wait_for", wait_for)
    for tries in (0, 1, 2, 5, 10_000_000):
        await Patience(FakeHost()).pause(tries)
    assert pauses == [0.2, 0.4, 0.8, 5.0, 5.0]


async def test_a_stop_ends_it() -> None:
    host = FakeHost()
    host.stopping.set()
    with pytest.raises(GivenUp, match="Kafka keeps them"):
        await Patience(host).pause(1_000)


async def test_the_process_is_alive_while_an_answer_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped ClickHouse keeps a call waiting for longer than a supervisor has patience."""
    monkeypatch.setattr(waiting, "ALIVE_EVERY_S", 0.001)
    host, answer = FakeHost(), asyncio.Event()
    calling = asyncio.create_task(Patience(host).call(answer.wait))
    async with asyncio.timeout(10):
        while host.steps < 5:
            await asyncio.sleep(0.001)
    answer.set()
    await calling
    steps = host.steps
    await asyncio.sleep(0.01)
    assert host.steps == steps


async def test_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "ALIVE_EVERY_S", 0.001)
    monkeypatch.setattr(waiting, "LONGEST_CALL_S", 0.004)
    host, answer = FakeHost(), asyncio.Event()
    calling = asyncio.create_task(Patience(host).call(answer.wait))
    await asyncio.sleep(0.05)
    assert host.steps <= 4
    answer.set()
    await calling


async def test_the_error_of_something_else_stays() -> None:
    host = FakeHost()
    patience = Patience(host)
    host.last_error = "another"
    patience.works()
    assert host.last_error == "another"
