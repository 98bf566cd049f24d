"""Edge: carries out one fault of the plan."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
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
from tests.chaos.messages import number_of
from tests.chaos.patience import patiently
from tests.chaos.plan import CLOCK_OFF_S, KAFKA, Fault
from tests.chaos.verdict import Stopped

DELAY_S: Final = 0.3
INTO_THE_PRODUCE_S: Final = 0.4
"""How long a process whose link is stalled needs until it waits for the answer to a produce."""
AWAKE_AFTER_S: Final = 1.0
PROCESS_S: Final = 60.0
CHANGE_S: Final = 90.0
OPTED_OUT: Final = range(-40, 160)
"""Which numbers opt out, counted from the message that is published next: some are on their way already."""


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
                os.kill(await self._pid(fault), signal.SIGKILL)
            case "stop":
                async with self._held(fault, [await self._pid(fault)]):
                    await asyncio.sleep(fault.seconds)
            case "stop with supervisor":
                pids = [self._fleet.supervisor_of(fault.instance), await self._pid(fault)]
                async with self._held(fault, pids):
                    await asyncio.sleep(fault.seconds)
            case "late write":
                await self._late_write(fault)
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

    async def _late_write(self, fault: Fault) -> None:
        """What the process has written reaches Kafka when its successor has begun, while it is still asleep."""
        pid = await self._pid(fault)
        with contextlib.ExitStack() as stalled:
            stalled.enter_context(self._fleet.proxies[KAFKA].troubled(lambda: pid, None))
            await asyncio.sleep(INTO_THE_PRODUCE_S)
            async with self._held(fault, [pid]):
                await asyncio.sleep(fault.seconds)
                stalled.close()
                await asyncio.sleep(AWAKE_AFTER_S)

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
