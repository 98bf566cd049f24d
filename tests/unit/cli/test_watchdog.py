"""Which services are restarted because they do not advance, and what the watching itself survives."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import pytest

from schemas.service_states import ServiceState
from services.cli.up import watchdog as module
from services.cli.up.watchdog import CHECK_S, GRACE_AFTER_OUTAGE_S, ReadBeat, Watchdog, stuck_services
from shared.kafka.errors import MissingTopics
from shared.process.clock import monotonic_s
from shared.process.service import STUCK_MS
from shared.process.settings import Settings

AT_MS = 1_790_000_000_000 - 3_600_000
"""By the clock of who beats: what it is does not matter."""

AT_S = 500.0
LIMIT_MS = STUCK_MS + int(CHECK_S * 1000)


def beat(service: str, pid: int, progress_at_ms: int, read_s: float) -> ReadBeat:
    state = ServiceState(
        service=service, instance="0", pid=pid, beat_at_ms=AT_MS, started_at_ms=0, ready=True,
        progress_at_ms=progress_at_ms,
    )  # fmt: skip
    return ReadBeat(state, read_s)


STATES = {
    "ingress|0|1": beat("ingress", 1, AT_MS - LIMIT_MS + 999, AT_S - 1),
    "encoder|0|2": beat("encoder", 2, AT_MS - LIMIT_MS + 1_000, AT_S - 1),
}
PIDS: dict[str, int | None] = {"ingress": 1, "encoder": 2}


def test_only_the_one_that_does_not_advance() -> None:
    assert stuck_services(STATES, PIDS, AT_S, None) == ["ingress"]


def test_one_whose_process_does_not_even_beat() -> None:
    """Counted from when its last beat was read."""
    read = {"ingress|0|1": beat("ingress", 1, AT_MS, AT_S)}
    assert stuck_services(read, PIDS, AT_S + LIMIT_MS / 1000, None) == []
    assert stuck_services(read, PIDS, AT_S + LIMIT_MS / 1000 + 0.1, None) == ["ingress"]


def test_what_an_earlier_process_or_another_machine_left_behind_does_not_count() -> None:
    assert stuck_services(STATES, {"ingress": 99, "encoder": 2}, AT_S, None) == []
    assert stuck_services(STATES, {"ingress": None, "encoder": 2}, AT_S, None) == []
    assert stuck_services(STATES, {"encoder": 2}, AT_S, None) == []


def test_a_process_of_another_machine_with_the_same_pid_is_none_of_ours() -> None:
    """In containers every pid is 1."""
    watchdog = Scene(answers).watchdog
    for host in ("elsewhere", socket.gethostname()):
        value = beat("ingress", 1, 0, 0).state.model_copy(update={"host": host}).to_json()
        watchdog._on_state(SimpleNamespace(key=f"ingress|{host}|1".encode(), value=value))
    assert list(watchdog._beats) == [f"ingress|{socket.gethostname()}|1"]


def test_nobody_is_restarted_during_an_outage_of_kafka_nor_for_a_minute_after() -> None:
    assert stuck_services(STATES, PIDS, AT_S, AT_S) == []
    assert stuck_services(STATES, PIDS, AT_S, AT_S - GRACE_AFTER_OUTAGE_S + 1) == []
    assert stuck_services(STATES, PIDS, AT_S, AT_S - GRACE_AFTER_OUTAGE_S) == ["ingress"]


class Beats:
    """Takes the place of the table reader: every service that is asked for beats, and never advances."""

    failures = 0

    def __init__(self, settings: Settings, tables: object) -> None:
        self.alive = True

    async def start(self) -> None:
        if Beats.failures:
            Beats.failures -= 1
            raise MissingTopics("topics are missing")

    async def stop(self) -> None:
        self.alive = False


@pytest.fixture
def beats(monkeypatch: pytest.MonkeyPatch) -> type[Beats]:
    monkeypatch.setattr(module, "TableReader", Beats)
    monkeypatch.setattr(module, "CHECK_S", 0.01)
    monkeypatch.setattr(module, "restart_delay_s", lambda failures: 0.01)
    Beats.failures = 0
    return Beats


class Scene:
    """A watchdog over one service that hangs; `restarted` is set when it asks for a restart."""

    def __init__(self, kafka_answers: Callable[[], Awaitable[bool]]) -> None:
        self.said: list[str] = []
        self.restarted = asyncio.Event()
        settings = Settings(kafka_bootstrap_servers="127.0.0.1:1")
        self.watchdog = Watchdog(settings, lambda: {"ingress": 1}, kafka_answers, self.restart, self.said.append)

    async def restart(self, name: str) -> None:
        self.restarted.set()

    async def run(self, until: asyncio.Event) -> None:
        async def hang() -> None:
            """The beats of a hung service; the watchdog forgets them whenever it begins anew."""
            while True:
                self.watchdog._beats["ingress|0|1"] = beat("ingress", 1, AT_MS - 10 * STUCK_MS, monotonic_s())
                await asyncio.sleep(0)

        tasks = [asyncio.create_task(self.watchdog.run()), asyncio.create_task(hang())]
        async with asyncio.timeout(10):
            await until.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def answers() -> bool:
    return True


async def test_a_hung_service_is_restarted_and_said(beats: type[Beats]) -> None:
    scene = Scene(answers)
    await scene.run(scene.restarted)
    assert scene.said[0] == "ingress: has not advanced for 30 s, is started again"


async def test_a_watching_that_fails_begins_again_and_says_so(beats: type[Beats]) -> None:
    beats.failures = 2
    scene = Scene(answers)
    await scene.run(scene.restarted)
    assert scene.said[:2] == ["watchdog: cannot follow the services (topics are missing); tries again in 0.0 s"] * 2


async def test_nobody_is_restarted_while_any_kafka_does_not_answer(beats: type[Beats]) -> None:
    asked = asyncio.Event()
    rounds = 0

    async def silent() -> bool:
        nonlocal rounds
        rounds += 1
        if rounds > 5:
            asked.set()
        return False

    scene = Scene(silent)
    await scene.run(asked)
    assert not scene.restarted.is_set()


async def test_a_process_that_slept_restarts_nobody(beats: type[Beats], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLEPT_S", -1.0)
    asked = asyncio.Event()
    rounds = 0

    async def slow() -> bool:
        nonlocal rounds
        rounds += 1
        if rounds > 5:
            asked.set()
        return True

    scene = Scene(slow)
    await scene.run(asked)
    assert not scene.restarted.is_set()
