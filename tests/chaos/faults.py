"""Edge: carries out one fault of the plan."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from schemas.optouts import OptOut
from schemas.topics import CONFIG_OPTOUTS
from services.cli.errors import EXIT_UNREACHABLE
from shared.kafka.records import Out
from shared.operations.errors import Unreachable
from shared.operations.kafka_access import producing
from shared.process.clock import monotonic_s, now_ms
from tests.chaos.changes import changed
from tests.chaos.fleet import Fleet
from tests.chaos.kafka_requests import is_moment
from tests.chaos.messages import number_of
from tests.chaos.patience import patiently
from tests.chaos.plan import CLOCK_OFF_S, KAFKA, Fault
from tests.chaos.verdict import Stopped

DELAY_S: Final = 0.3
GLIMPSE_S: Final = 0.03
"""How long a link is stalled to see what a process sends: too short to be felt."""
CAUGHT_WITHIN_S: Final = 10.0
AWAKE_AFTER_S: Final = 1.0
PROCESS_S: Final = 60.0
CHANGE_S: Final = 90.0
OPTED_OUT: Final = range(-40, 160)
"""Which numbers opt out, counted from the message that is published next: some are on their way already."""


def _same(pid: int) -> int:
    return pid


class Hands:
    """Does what the plan says. `stopped` remembers who was held still and when."""

    def __init__(self, fleet: Fleet, seed: int) -> None:
        self._fleet = fleet
        self._seed = seed
        self._changing = asyncio.Lock()
        self.stopped: list[Stopped] = []

    async def carry_out(self, fault: Fault, next_index: int) -> None:
        """Returns when it is over and what was disturbed is let go again."""
        match fault.kind:
            case "kill":
                async with self._caught(fault) as pid:
                    os.kill(pid, signal.SIGKILL)
            case "stop":
                async with contextlib.AsyncExitStack() as held:
                    async with self._caught(fault) as pid:
                        await held.enter_async_context(self._held(fault, [pid]))
                    await asyncio.sleep(fault.seconds)
            case "stop with supervisor":
                async with contextlib.AsyncExitStack() as held:
                    async with self._caught(fault) as pid:
                        pids = [self._fleet.supervisor_of(fault.instance), pid]
                        await held.enter_async_context(self._held(fault, pids))
                    await asyncio.sleep(fault.seconds)
            case "late write":
                async with contextlib.AsyncExitStack() as held:
                    async with self._caught(fault) as pid:
                        await held.enter_async_context(self._held(fault, [pid]))
                        await asyncio.sleep(fault.seconds)
                    await asyncio.sleep(AWAKE_AFTER_S)  # what was written arrives now; who wrote it still sleeps
            case "stall" | "delay":
                delay_s = DELAY_S if fault.kind == "delay" else None
                with self._fleet.proxies[fault.peer].troubled(lambda: self._pid_now(fault), delay_s):
                    await asyncio.sleep(fault.seconds)
            case "cut":
                self._fleet.proxies[fault.peer].cut(await self._pid(fault))
            case "clock ahead" | "clock behind":
                off_s = CLOCK_OFF_S if fault.kind == "clock ahead" else -CLOCK_OFF_S
                with self._fleet.clocks.shifted(fault.process, fault.instance, off_s):
                    await asyncio.sleep(fault.seconds)
            case "disk full":
                with self._fleet.disks[fault.process].full(lambda: self._pid_now(fault)):
                    await asyncio.sleep(fault.seconds)
            case "config":
                await self._change(fault, next_index)

    def _pid_now(self, fault: Fault) -> int | None:
        return self._fleet.pid_of(fault.process, fault.instance)

    async def _pid(self, fault: Fault) -> int:
        """The process, once there is one: it may just be started again after another fault."""
        async with asyncio.timeout(PROCESS_S):
            while (pid := self._pid_now(fault)) is None:
                await asyncio.sleep(0.05)
        return pid

    @asynccontextmanager
    async def _held(self, fault: Fault, pids: Iterable[int]) -> AsyncIterator[None]:
        since = monotonic_s()
        held = []
        try:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                    held.append(pid)
            yield
        finally:
            for pid in reversed(held):
                with contextlib.suppress(ProcessLookupError):  # its supervisor may have replaced it meanwhile
                    os.kill(pid, signal.SIGCONT)
            self.stopped.append(Stopped(fault.process, since, monotonic_s()))

    @asynccontextmanager
    async def _caught(self, fault: Fault) -> AsyncIterator[int]:
        """The process at the moment that the plan names, or as it is when that does not come within some seconds.

        While the block runs, its link to Kafka is stalled: what it has just sent arrives when the block is over.
        """
        if not fault.moment:
            yield await self._pid(fault)
            return
        proxy = self._fleet.proxies[KAFKA]
        deadline_s = monotonic_s() + CAUGHT_WITHIN_S
        while True:
            pid = await self._pid(fault)
            with proxy.troubled(partial(_same, pid), None):
                await asyncio.sleep(GLIMPSE_S)
                if monotonic_s() > deadline_s or any(is_moment(sent, fault.moment) for sent in proxy.held(pid)):
                    yield pid
                    return
            await asyncio.sleep(GLIMPSE_S)

    async def _change(self, fault: Fault, next_index: int) -> None:
        """One at a time: the file is replaced whole."""
        async with self._changing:
            if fault.process == "opt-out":
                numbers = [number_of(self._seed, next_index + i)[1:] for i in OPTED_OUT if next_index + i >= 0]
                await patiently(lambda: self._opt(numbers, out=True))
                await asyncio.sleep(fault.seconds)
                await patiently(lambda: self._opt(numbers, out=False))
                return
            before = self._fleet.gateway
            await patiently(lambda: self._apply(changed(before, fault.process)))
            await asyncio.sleep(fault.seconds)
            await patiently(lambda: self._apply(before))

    async def _opt(self, numbers: list[str], *, out: bool) -> None:
        records = []
        for number in numbers:
            value = OptOut(account_id="*", to=number, since_ms=now_ms()).to_json() if out else None
            records.append(Out(CONFIG_OPTOUTS, f"*|{number}".encode(), value))
        async with producing(self._fleet.settings) as producer:
            await producer.send_all(records)

    async def _apply(self, gateway: dict[str, Any]) -> None:
        file = self._fleet.write_config(gateway)
        done = await asyncio.to_thread(self._fleet.cli, "config", "apply", str(file), "--no-wait", timeout_s=CHANGE_S)
        if done.returncode == EXIT_UNREACHABLE:
            raise Unreachable(done.stderr)
        if done.returncode:
            raise RuntimeError(f"the configuration was not applied: {done.stdout}{done.stderr}")
