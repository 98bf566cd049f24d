"""Bench of the SMSC simulator: CPU of its process per submit_sm with response, log line, receipt and its answer.

`python -m tests.bench.bench_simulator [--count 60000] [--binds 4] [--window 50] [--rate 2500]`

Two runs: windows full all the time, and paced by `--rate` over all binds (smaller batches cost more a message). Figures
are of the simulator's process by the operating system's accounting, uvloop's and the kernel's part included.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import uvloop

from shared.smpp.config import EsmeConfig
from shared.smpp.events import Bound, DeliverReceived, Event, SubmitAnswered
from shared.smpp.pdu import SubmitSm
from shared.smpp.session import EsmeSession
from shared.smpp.transport import Connection, connect_client

SCENARIO = """
version: 1
accounts:
  - system_id: bench
    latency_ms: [5, 20]
    receipts: {delay_ms: [200, 1500], mix: {DELIVRD: 0.97, UNDELIV: 0.03}}
"""
SUBMIT = SubmitSm(
    source_addr_ton=5,
    source_addr="SHOP",
    dest_addr_ton=1,
    dest_addr_npi=1,
    destination_addr="447700900123",
    validity_period="000001000000000R",
    registered_delivery=1,
    short_message=b"x" * 100,
)
PACE_S = 0.01


class _Load:
    """Submits as fast as windows and rate allow, until every message has its response and its receipt."""

    def __init__(self, count: int, rate: float) -> None:
        self._to_submit = count
        self._to_answer = self._to_receive = count
        self._rate = rate
        self._credit = 0.0
        self._connections: list[Connection[EsmeSession]] = []
        self.done = asyncio.Event()

    async def bind(self, port: int, window: int) -> None:
        config = EsmeConfig(system_id="bench", window_size=window)
        connection = await connect_client(lambda now: EsmeSession(config, now=now), "127.0.0.1", port, self._on_events)
        connection.session.bind(connection.now())
        connection.wake()
        self._connections.append(connection)

    async def pace(self) -> None:
        last = time.perf_counter()
        while self._to_submit:
            now = time.perf_counter()
            self._credit = min(self._credit + self._rate * (now - last), self._rate)
            last = now
            for connection in self._connections:
                self._fill(connection, self._credit / len(self._connections))
            await asyncio.sleep(PACE_S)

    def _fill(self, connection: Connection[EsmeSession], most: float) -> None:
        now = connection.now()
        while most >= 1 and self._to_submit and connection.session.submit(None, SUBMIT, now):
            self._to_submit -= 1
            self._credit -= 1
            most -= 1
        connection.wake()

    def _on_events(self, connection: Connection[EsmeSession], events: list[Event]) -> None:
        for event in events:
            match event:
                case SubmitAnswered():
                    self._to_answer -= 1
                case DeliverReceived(sequence_number):
                    connection.session.answer_deliver(sequence_number)
                    self._to_receive -= 1
                case Bound():
                    pass
                case _:
                    raise AssertionError(event)
        if not self._rate:
            self._fill(connection, float("inf"))
        if not self._to_answer and not self._to_receive:
            self.done.set()


async def _measure(port: int, pid: int, count: int, binds: int, window: int, rate: float) -> dict[str, float]:
    load = _Load(count, rate)
    process = psutil.Process(pid)
    before, started = process.cpu_times(), time.perf_counter()
    for _ in range(binds):
        await load.bind(port, window)
    if rate:
        await load.pace()
    await load.done.wait()
    after, elapsed = process.cpu_times(), time.perf_counter() - started
    user, system = after.user - before.user, after.system - before.system
    return {
        "messages_per_s": round(count / elapsed),
        "cpu_us_per_message": round((user + system) / count * 1e6, 1),
        "user_us": round(user / count * 1e6, 1),
        "system_us": round(system / count * 1e6, 1),
        "resident_mb": round(process.memory_info().rss / 1e6),
    }


def main() -> None:
    """Print one JSON object a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60_000)
    parser.add_argument("--binds", type=int, default=4)
    parser.add_argument("--window", type=int, default=50)
    parser.add_argument("--rate", type=float, default=2500.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, rate in (("windows full", 0.0), (f"{options.rate:g}/s", options.rate)):
            scenario = Path(folder) / "scenario.yaml"
            scenario.write_text(SCENARIO)
            argv = ["--scenario", str(scenario), "--port", "0", "--log", str(Path(folder) / "log")]
            command = [sys.executable, "-m", "services", "simulator", *argv]
            simulator = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            try:
                assert simulator.stdout is not None
                port = int(simulator.stdout.readline().split("127.0.0.1:")[1].split(",")[0])
                found = uvloop.run(_measure(port, simulator.pid, options.count, options.binds, options.window, rate))
                print(json.dumps({"run": name, **found}))
            finally:
                simulator.terminate()
                simulator.wait()
                if simulator.stdout is not None:
                    simulator.stdout.close()


if __name__ == "__main__":
    main()
