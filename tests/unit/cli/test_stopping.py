"""Edge: what a stop says while it waits, and on a second signal."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from schemas.service_states import ServiceState
from services.cli.up import stopping as module
from services.cli.up.stack import BINDER, Stack, StackOptions
from services.cli.up.stopping import Stopping
from shared.local.child import ChildState

PID = 4711


@pytest.fixture(autouse=True)
def _signals_as_they_were() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def stack(tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Its binder stops, and owes answers by its last beat."""
    monkeypatch.setenv("SMSGW_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    made = Stack(StackOptions(tmp_path, only=frozenset({BINDER})), said.append)
    states = {BINDER: ChildState(BINDER, "stopping", PID, 0, None)}
    monkeypatch.setattr(made, "states", lambda: states)
    monkeypatch.setattr(made, "kill_all", lambda: said.append("killed"))
    made.be_patient = lambda stop_s: None  # type: ignore[method-assign]
    made.stop_patience_s = 75

    async def beats(settings: object) -> tuple[int, list[SimpleNamespace]]:
        state = ServiceState(
            service=BINDER, instance="0", pid=PID, beat_at_ms=0, started_at_ms=0, ready=True, progress_at_ms=0,
            awaited={"acme-1": 3},
        )  # fmt: skip
        return 0, [SimpleNamespace(state=state), SimpleNamespace(state=state.model_copy(update={"pid": 1}))]

    monkeypatch.setattr(module, "read_beats", beats)
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    return made


async def test_it_says_what_is_awaited_until_the_binder_has_ended(stack: Stack, said: list[str]) -> None:
    following = asyncio.create_task(Stopping(stack, said.append).follow())
    async with asyncio.timeout(10):
        while not said:
            await asyncio.sleep(0.01)
        assert said[0] == "3 answers of acme-1 are awaited, at most 75 s more"
        stack.states()[BINDER] = ChildState(BINDER, "stopped", None, 0, 0)
        await following


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_second_signal_ends_at_once_and_says_what_is_in_doubt(
    number: signal.Signals, stack: Stack, said: list[str]
) -> None:
    stopping = Stopping(stack, said.append)
    await stopping._look()
    said.clear()
    os.kill(os.getpid(), number)
    async with asyncio.timeout(10):
        while "killed" not in said:
            await asyncio.sleep(0.01)
    assert "in doubt (outcome_unknown" in said[0]
    assert said[0].endswith("segments whose answer was awaited: 3 of acme-1")


async def test_where_no_binder_runs_nothing_is_in_doubt(stack: Stack, said: list[str]) -> None:
    stack.states().clear()
    Stopping(stack, said.append)._at_once()
    assert said == ["Ends at once; no binder runs here, so nothing is in doubt", "killed"]
