"""Children that die, hang, refuse to go, or cannot start; the order of stopping; what happens when we are killed."""

import asyncio
import errno
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from shared.local.child import ChildEvent, ChildSpec
from shared.local.supervisor import Supervisor

SLEEP = "exec sleep 60"
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 1; done"


class Events:
    """Keeps every event, and lets a test await the next ones."""

    def __init__(self) -> None:
        self.seen: list[ChildEvent] = []
        self._queue: asyncio.Queue[ChildEvent] = asyncio.Queue()

    def __call__(self, event: ChildEvent) -> None:
        self.seen.append(event)
        self._queue.put_nowait(event)

    async def next(self, kind: str) -> ChildEvent:
        """The next event of this kind; those before it are dropped."""
        async with asyncio.timeout(10):
            while (event := await self._queue.get()).kind != kind:
                pass
        return event

    def kinds(self) -> list[str]:
        return [event.kind for event in self.seen]


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def spec(tmp_path: Path) -> Callable[..., ChildSpec]:
    def make(script: str, name: str = "child", **options: object) -> ChildSpec:
        child = ChildSpec(name, ("/bin/sh", "-c", script), dict(os.environ), tmp_path / f"{name}.log")
        return replace(child, **options)  # type: ignore[arg-type]  # the options of a test are written by name

    return make


def autogroup_nice(pid: int) -> int | None:
    """The nice value of a process's session; None where the kernel has none."""
    try:
        return int(Path(f"/proc/{pid}/autogroup").read_text().split()[-1])
    except (OSError, IndexError):
        return None


async def logged(path: Path, word: str) -> None:
    """Wait until the child has written `word`: files have no event."""
    async with asyncio.timeout(10):
        while word not in path.read_text():
            await asyncio.sleep(0.01)


async def ended(pid: int) -> None:
    """Wait until a process that is not our child has ended (a zombie waits for init only)."""
    with suppress(psutil.NoSuchProcess):
        async with asyncio.timeout(10):
            while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                await asyncio.sleep(0.01)


async def test_a_child_runs_logs_and_stops(events: Events, spec: Callable[..., ChildSpec], tmp_path: Path) -> None:
    async with Supervisor(events) as supervisor:
        await supervisor.start(spec("echo out; echo err >&2; read line || echo no input; exec sleep 60"))
        state = supervisor.states()["child"]
        assert state.phase == "running"
        assert state.pid is not None
        assert os.getpgid(state.pid) == state.pid != os.getpgid(0)
        await logged(tmp_path / "child.log", "out\nerr\nno input\n")
        await supervisor.stop()
        assert events.kinds() == ["started", "exited", "stopped"]
        assert supervisor.states()["child"].last_exit_code == -signal.SIGTERM
        assert not psutil.pid_exists(state.pid)


@pytest.mark.parametrize("code", [0, 2, 3])
async def test_a_child_that_dies_is_started_again_ever_more_slowly(
    events: Events, spec: Callable[..., ChildSpec], code: int
) -> None:
    async with Supervisor(events) as supervisor:
        await supervisor.start(spec(f"exit {code}"))
        delays = [(await events.next("restarting")).delay_s for _ in range(3)]
    assert delays == pytest.approx([0.2, 0.4, 0.8])
    assert {event.exit_code for event in events.seen if event.kind == "exited"} == {code}
    assert supervisor.states()["child"].restarts == 2


async def test_a_long_life_makes_the_next_restart_quick_again(events: Events, spec: Callable[..., ChildSpec]) -> None:
    """The clock says that every life took a minute."""
    minutes = iter(range(0, 6000, 60))
    async with Supervisor(events, clock=lambda: next(minutes)) as supervisor:
        await supervisor.start(spec("exit 0"))
        delays = [(await events.next("restarting")).delay_s for _ in range(3)]
    assert delays == pytest.approx([0.2, 0.2, 0.2])


async def test_an_instance_id_in_use_is_given_up(events: Events, spec: Callable[..., ChildSpec]) -> None:
    async with Supervisor(events) as supervisor:
        await supervisor.start(spec("exit 75"))
        assert (await events.next("gave_up")).exit_code == 75
        assert supervisor.states()["child"].phase == "gave_up"
        await supervisor.restart("child")
        await events.next("gave_up")
    assert events.kinds() == ["started", "exited", "gave_up"] * 2


class Deaf(Events):
    """Keeps every event, and then fails as a listener does whose disk is full."""

    def __call__(self, event: ChildEvent) -> None:
        super().__call__(event)
        raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_listener_that_fails_costs_no_child_its_keeper(spec: Callable[..., ChildSpec]) -> None:
    events = Deaf()
    async with Supervisor(events) as supervisor:
        await supervisor.start(spec("exit 1"))
        for _ in range(2):
            await events.next("restarting")
        await supervisor.start(spec(SLEEP, "other", stop_order=1))
        other = supervisor.states()["other"].pid
        assert other is not None
        await supervisor.stop()
        assert [state.phase for state in supervisor.states().values()] == ["stopped", "stopped"]
        assert not psutil.pid_exists(other)


async def test_one_that_cannot_be_stopped_in_order_does_not_keep_the_others_from_it(
    events: Events, spec: Callable[..., ChildSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nobody keeps it any more afterwards, although the last one dies when all others have been stopped."""

    async def broken() -> None:
        raise RuntimeError("a mistake of ours")

    async with Supervisor(events) as supervisor:
        for order, name in enumerate(("first", "other", "last")):
            await supervisor.start(spec(SLEEP, name, stop_order=order))
        pids = [state.pid or 0 for state in supervisor.states().values()]
        for name in ("first", "last"):
            monkeypatch.setattr(supervisor._keepers[name], "stop", broken)
    assert {event.name for event in events.seen if event.kind == "stopped"} == {"first", "other", "last"}
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("keep-")] == []


async def test_a_program_that_does_not_exist_is_an_event(events: Events, spec: Callable[..., ChildSpec]) -> None:
    async with Supervisor(events) as supervisor:
        await supervisor.start(spec("", argv=("/no/such/program",)))
        assert "/no/such/program" in str((await events.next("exited")).error)
        assert "/no/such/program" in supervisor.states()["child"].start_error
        assert (await events.next("restarting")).delay_s == pytest.approx(0.2)


async def test_stopping_goes_by_order_and_interrupts_the_back_off(
    events: Events, spec: Callable[..., ChildSpec]
) -> None:
    async with Supervisor(events) as supervisor:
        await supervisor.start(spec(SLEEP, "kafka", stop_order=3))
        await supervisor.start(spec(SLEEP, "simulator", stop_order=1))
        await supervisor.start(spec(SLEEP, "ingress"))
        await supervisor.start(spec("exit 1", "binder"))
        while (await events.next("restarting")).delay_s != pytest.approx(1.6):
            pass
        await supervisor.stop()
        assert events.seen[-1].kind == "stopped"
    assert [event.name for event in events.seen if event.kind == "started"].count("binder") == 4
    stopped = [event.name for event in events.seen if event.kind == "stopped"]
    assert set(stopped[:2]) == {"ingress", "binder"}
    assert stopped[2:] == ["simulator", "kafka"]


async def test_one_child_can_be_stopped_and_started_again(events: Events, spec: Callable[..., ChildSpec]) -> None:
    async with Supervisor(events) as supervisor:
        await supervisor.start(spec(SLEEP, "one"))
        await supervisor.start(spec(SLEEP, "two"))
        await supervisor.stop(["one"])
        assert [state.phase for state in supervisor.states().values()] == ["stopped", "running"]
        await supervisor.restart("one")
        assert [state.phase for state in supervisor.states().values()] == ["running", "running"]


async def test_a_child_that_ignores_the_signal_is_killed(
    events: Events, spec: Callable[..., ChildSpec], tmp_path: Path
) -> None:
    async with Supervisor(events) as supervisor:
        await supervisor.start(spec(STUBBORN, stop_timeout_s=0.1))
        await logged(tmp_path / "child.log", "ready")
        await supervisor.stop()
    assert events.kinds() == ["started", "killed", "exited", "stopped"]
    assert supervisor.states()["child"].last_exit_code == -signal.SIGKILL


async def test_the_patience_with_a_running_child_can_change(
    events: Events, spec: Callable[..., ChildSpec], tmp_path: Path
) -> None:
    """What it waits for depends on a configuration that may be applied at any time."""
    async with Supervisor(events) as supervisor:
        await supervisor.start(spec(STUBBORN, stop_timeout_s=3600))
        await logged(tmp_path / "child.log", "ready")
        supervisor.set_stop_timeout("child", 0.1)
        async with asyncio.timeout(10):
            await supervisor.stop()
        assert [event.kind for event in events.seen][-3:] == ["killed", "exited", "stopped"]


async def test_a_hung_child_is_replaced_at_once(events: Events, spec: Callable[..., ChildSpec]) -> None:
    async with Supervisor(events) as supervisor:
        await supervisor.start(spec(SLEEP))
        hung = supervisor.states()["child"].pid
        assert hung is not None
        os.kill(hung, signal.SIGSTOP)
        async with asyncio.timeout(5):
            await supervisor.restart("child", grace_s=0)
        state = supervisor.states()["child"]
        assert (state.phase, state.restarts) == ("running", 1)
        assert state.pid != hung
        assert (await events.next("restarting")).delay_s == 0


async def test_what_a_child_started_itself_ends_with_it(
    events: Events, spec: Callable[..., ChildSpec], tmp_path: Path
) -> None:
    async with Supervisor(events) as supervisor:
        await supervisor.start(spec("sleep 60 & echo pid $!; exit 75"))
        await events.next("gave_up")
    grandchild = int((tmp_path / "child.log").read_text().split()[1])
    await ended(grandchild)


async def test_names_are_unique(events: Events, spec: Callable[..., ChildSpec]) -> None:
    async with Supervisor(events) as supervisor:
        await supervisor.start(spec(SLEEP))
        with pytest.raises(ValueError, match="a process named child already"):
            await supervisor.start(spec(SLEEP))


PROGRAM = """
import asyncio, os, sys
from pathlib import Path
from shared.local.child import ChildSpec
from shared.local.supervisor import Supervisor

async def main():
    async with Supervisor(lambda event: print(event.pid, flush=True)) as supervisor:
        for name in ("one", "two"):
            await supervisor.start(ChildSpec(name, ("sleep", "60"), dict(os.environ), Path(sys.argv[1]) / name))
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert killed.stdout is not None
    children = [int(await killed.stdout.readline()) for _ in range(2)]
    assert all(psutil.pid_exists(pid) for pid in children)
    killed.kill()
    await killed.wait()
    for pid in children:
        await ended(pid)


async def test_a_child_that_gives_way_does_so_with_all_that_it_starts(
    events: Events, spec: Callable[..., ChildSpec], tmp_path: Path
) -> None:
    late = tmp_path / "late"
    asks = f"until [ -e {late} ]; do sleep 0.02; done; echo nice $(nice); exec sleep 60"
    async with Supervisor(events) as supervisor:
        await supervisor.start(spec(SLEEP, name="ordinary"))
        await supervisor.start(spec(SLEEP, name="one", nice=5))
        await supervisor.start(spec(asks, name="other", nice=8))
        late.touch()
        own = os.getpriority(os.PRIO_PROCESS, 0)
        await logged(tmp_path / "other.log", f"nice {min(own + 8, 19)}\n")
        pids = {name: state.pid or 0 for name, state in supervisor.states().items()}
        values = {name: os.getpriority(os.PRIO_PROCESS, pid) for name, pid in pids.items()}
        assert values == {"ordinary": own, "one": min(own + 5, 19), "other": min(own + 8, 19)}
        if autogroup_nice(os.getpid()) is not None:
            assert {name: autogroup_nice(pid) for name, pid in pids.items()} == {"ordinary": 0, "one": 5, "other": 8}
