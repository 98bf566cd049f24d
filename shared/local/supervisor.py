"""Edge: runs the processes of one machine: starts them again when they die, stops them in order, leaves none behind.

Each child has a session and process group of its own, so Ctrl-C in the terminal reaches only us, and we stop the
children in the order that loses least work. Each is kept by one task, the only one to touch its process: it starts it,
waits for its death or for a wish (`restart`, `stop`), and does what follows. Should we be killed ourselves, the guard
(`shared.local.orphans`) ends all groups.
"""

import asyncio
import contextlib
import logging
import os
import signal
import time
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import groupby
from types import TracebackType
from typing import Literal, Self

from shared.local.backoff import consecutive_failures, restart_delay_s
from shared.local.child import ChildEvent, ChildPhase, ChildSpec, ChildState
from shared.local.log_files import open_log, trim_log
from shared.local.niceness import give_way
from shared.local.orphans import OrphanGuard
from shared.local.private import UMASK

log = logging.getLogger(__name__)

LOG_CHECK_PERIOD_S = 60.0
_DEATH_S = 5.0
"""SIGKILL takes its time when a process waits for a disk."""


class Supervisor:
    """Keeps processes alive. Use it as an async context manager: leaving it stops whatever still runs.

    `on_event` is called in the event loop for every event and must not block; what it raises is logged, and the child
    is kept all the same. `clock` gives seconds that never go back. All methods are for the event loop's thread.
    """

    def __init__(self, on_event: Callable[[ChildEvent], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._on_event = _guarded(on_event)
        self._clock = clock
        self._keepers: dict[str, _Keeper] = {}
        self._guard: OrphanGuard | None = None
        self._log_task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._guard = OrphanGuard()
        self._log_task = asyncio.create_task(self._trim_logs(), name="trim-logs")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.stop()
        finally:
            self.kill_all()
            try:
                await asyncio.gather(*[keeper.end() for keeper in self._keepers.values()])
            finally:
                if self._log_task is not None:
                    self._log_task.cancel()
                if self._guard is not None:
                    self._guard.close()

    async def start(self, spec: ChildSpec) -> None:
        """Start a child and keep it alive from now on. Returns when it has been started (not: when it is ready).

        One that cannot be started at all (no such program, no space for its log) counts as one that died: it is an
        event, and is tried again. Raises ValueError when there is a child of that name already.
        """
        if self._guard is None:
            raise RuntimeError("use the supervisor as an async context manager")
        if spec.name in self._keepers:
            raise ValueError(f"there is a process named {spec.name} already")
        keeper = _Keeper(spec, self._guard, self._on_event, self._clock)
        self._keepers[spec.name] = keeper
        await keeper.begin()

    async def restart(self, name: str, grace_s: float | None = None) -> None:
        """Stop the child and start it again at once, whatever it is doing; returns when it has been started.

        It has `grace_s` to end in good order (None: its `stop_timeout_s`; 0 kills a hung one at once). A child that was
        given up, was stopped, or waits for its back-off, is started too; one that is just being stopped is left to it.
        Raises KeyError for an unknown name.
        """
        await self._keepers[name].restart(grace_s)

    async def stop(self, names: Iterable[str] | None = None) -> None:
        """Stop all children, or the named ones, by `stop_order`; returns when they have ended. Again does nothing.

        One that cannot be stopped in good order is killed; the others are stopped in theirs.
        """
        chosen = [self._keepers[name] for name in (self._keepers if names is None else names)]
        chosen.sort(key=lambda keeper: keeper.spec.stop_order)
        for _, together in groupby(chosen, key=lambda keeper: keeper.spec.stop_order):
            group = list(together)
            ends = await asyncio.gather(*[keeper.stop() for keeper in group], return_exceptions=True)
            for keeper, end in zip(group, ends, strict=True):
                if isinstance(end, Exception):
                    log.error("%s was not stopped in good order: %r", keeper.spec.name, end)
                    keeper.kill()

    def set_stop_timeout(self, name: str, stop_timeout_s: float) -> None:
        """How long the child may take to end in good order from now on. Raises KeyError for an unknown name."""
        keeper = self._keepers[name]
        keeper.spec = replace(keeper.spec, stop_timeout_s=stop_timeout_s)

    def kill_all(self) -> None:
        """SIGKILL to every child that still runs, without waiting: for the impatient second Ctrl-C."""
        for keeper in self._keepers.values():
            keeper.kill()

    def states(self) -> dict[str, ChildState]:
        """How every child is now, by name, in the order they were started."""
        return {name: keeper.state() for name, keeper in self._keepers.items()}

    async def _trim_logs(self) -> None:
        while True:
            await asyncio.sleep(LOG_CHECK_PERIOD_S)
            for keeper in list(self._keepers.values()):
                with contextlib.suppress(OSError):  # a full disk: nothing to be done about it here
                    trim_log(keeper.spec.log_file)


class _Keeper:
    """One child and the task that keeps it."""

    def __init__(
        self, spec: ChildSpec, guard: OrphanGuard, on_event: Callable[[ChildEvent], None], clock: Callable[[], float]
    ) -> None:
        self.spec = spec
        self._guard = guard
        self._on_event = on_event
        self._clock = clock
        self._phase: ChildPhase = "starting"
        self._process: Process | None = None
        self._starts = 0
        self._last_exit_code: int | None = None
        self._start_error = ""
        self._wish: Literal["restart", "stop"] | None = None
        self._grace_s = spec.stop_timeout_s
        self._wished = asyncio.Event()
        self._attempted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def state(self) -> ChildState:
        pid = self._process.pid if self._process is not None else None
        restarts = max(0, self._starts - 1)
        return ChildState(self.spec.name, self._phase, pid, restarts, self._last_exit_code, self._start_error)

    async def begin(self) -> None:
        self._attempted.clear()
        self._task = asyncio.create_task(self._keep(), name=f"keep-{self.spec.name}")
        await self._attempted.wait()

    async def restart(self, grace_s: float | None) -> None:
        if self._task is None or self._task.done():
            self._wish = None
            self._wished.clear()
            await self.begin()
            return
        if self._wish == "stop":
            return
        self._grace_s = self.spec.stop_timeout_s if grace_s is None else grace_s
        self._wish = "restart"
        self._attempted.clear()
        self._wished.set()
        await self._attempted.wait()

    async def stop(self) -> None:
        self._grace_s = self.spec.stop_timeout_s
        self._wish = "stop"
        self._wished.set()
        if self._task is not None:
            await asyncio.shield(self._task)

    def kill(self) -> None:
        self._grace_s = 0  # for one that is just being born
        self._wish = "stop"
        self._wished.set()
        if self._process is not None:
            _signal_group(self._process.pid, signal.SIGKILL)

    async def end(self) -> None:
        """Returns when nobody keeps the child any more: soon after `kill`, unless the system does not let it die."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_DEATH_S)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        """Lives of the child, one after the other, until it is stopped or given up."""
        failures = 0
        try:
            while not self._wishes("stop"):
                began = self._clock()
                exit_code = await self._live()
                if self._wishes("stop"):
                    break
                if self._wishes("restart"):
                    failures = 0
                elif self._is_final(exit_code):
                    self._phase = "gave_up"
                    self._on_event(ChildEvent(self.spec.name, "gave_up", exit_code=exit_code))
                    return
                else:
                    failures = consecutive_failures(failures, self._clock() - began)
                await self._wait_to_restart(failures)
            self._phase = "stopped"
            self._on_event(ChildEvent(self.spec.name, "stopped", exit_code=self._last_exit_code))
        finally:
            self._attempted.set()

    async def _live(self) -> int | None:
        """One life of the child: its exit code, or None when it could not be started."""
        self._phase = "starting"
        if self._wish == "restart":
            self._wish = None
            self._wished.clear()
        try:
            process = await self._spawn()
        except OSError as error:
            self._start_error = str(error)
            self._on_event(ChildEvent(self.spec.name, "exited", error=str(error)))
            return None
        finally:
            self._attempted.set()
        exit_code = await self._until_death(process)
        _signal_group(process.pid, signal.SIGKILL)  # what it started itself and left behind
        self._guard.forget(process.pid)
        self._process = None
        self._last_exit_code = exit_code
        self._on_event(ChildEvent(self.spec.name, "exited", pid=process.pid, exit_code=exit_code))
        return exit_code

    async def _spawn(self) -> Process:
        spec = self.spec
        with open_log(spec.log_file) as log:
            process = await asyncio.create_subprocess_exec(
                *spec.argv,
                env=spec.env,
                cwd=spec.cwd,
                stdin=DEVNULL,
                stdout=log,
                stderr=STDOUT,
                start_new_session=True,
                umask=UMASK,
            )
        self._process = process
        self._start_error = ""
        self._guard.watch(process.pid)
        self._phase = "running"
        self._starts += 1
        self._on_event(ChildEvent(spec.name, "started", pid=process.pid))
        if spec.nice:
            await give_way(process.pid, spec.nice)
        return process

    async def _until_death(self, process: Process) -> int:
        death = asyncio.create_task(process.wait())
        wish = asyncio.create_task(self._wished.wait())
        await asyncio.wait({death, wish}, return_when=asyncio.FIRST_COMPLETED)
        wish.cancel()
        if not death.done():
            self._phase = "stopping"
            if self._grace_s > 0:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(self.spec.stop_signal)
                await asyncio.wait({death}, timeout=self._grace_s)
            if not death.done():
                self._on_event(ChildEvent(self.spec.name, "killed", pid=process.pid))
                _signal_group(process.pid, signal.SIGKILL)
        return await death

    async def _wait_to_restart(self, failures: int) -> None:
        """Wait for the back-off, none without failures; a wish ends the wait."""
        self._phase = "waiting"
        delay_s = restart_delay_s(failures) if failures else 0.0
        self._on_event(ChildEvent(self.spec.name, "restarting", exit_code=self._last_exit_code, delay_s=delay_s))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wished.wait(), delay_s)

    def _wishes(self, wish: Literal["restart", "stop"]) -> bool:
        return self._wish == wish

    def _is_final(self, exit_code: int | None) -> bool:
        return not self.spec.restart or exit_code in self.spec.no_restart_exit_codes


def _guarded(on_event: Callable[[ChildEvent], None]) -> Callable[[ChildEvent], None]:
    """Never raises: whoever listens (a full disk, a closed terminal) must not cost a child its keeper."""

    def tell(event: ChildEvent) -> None:
        try:
            on_event(event)
        except Exception:
            log.exception("the event %s of %s could not be told", event.kind, event.name)

    return tell


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
