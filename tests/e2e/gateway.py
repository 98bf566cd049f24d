"""Edge: a whole gateway as a person starts it (`smsgw up`), on free ports, and what tests do to it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil

from services.cli.reconcile import Reconciliation, reconcile
from services.cli.run_file import RunFile, read_run_file
from services.cli.traffic import Publisher, StatusFollower, read_stored, read_submit_log
from shared.local.ports import free_port
from shared.settings import Settings, read_settings

HERE = Path(__file__).parent
CLI = [sys.executable, "-m", "services.cli"]
START_S = 90.0


class Gateway:
    """One `smsgw up` and its data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.simulator_port = free_port()
        self.environment = {n: v for n, v in os.environ.items() if not n.startswith("SMSGW_")} | {
            "SMSGW_SIMULATOR_PORT": str(self.simulator_port),
            "SMSGW_SIMULATOR_SCENARIO": str(HERE / "scenario.yaml"),
            "SMSGW_CACHE_DIR": os.environ.get("SMSGW_CACHE_DIR", ""),
        }
        if not self.environment["SMSGW_CACHE_DIR"]:
            del self.environment["SMSGW_CACHE_DIR"]
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def config_file(self) -> Path:
        """The tests' gateway.yaml with the simulator's port."""
        text = (HERE / "gateway.yaml").read_text(encoding="utf-8").replace("2775", str(self.simulator_port))
        file = self.data_dir / "gateway.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    def start(self) -> None:
        """Everything; returns when `smsgw status` says healthy."""
        ports = ["--kafka-port", str(free_port()), "--clickhouse-port", str(free_port())]
        self.up(*ports, "--config", str(self.config_file))
        done = self.cli("status", "--wait", str(START_S), "--json", timeout_s=START_S + 10)
        assert done.returncode == 0, f"not healthy: {done.stdout}\n{done.stderr}\n{self.log_tails()}"

    def up(self, *options: str, instance: str | None = None) -> subprocess.Popen[bytes]:
        """One more `smsgw up` on this data directory."""
        environment = self.environment | ({"SMSGW_INSTANCE": instance} if instance else {})
        with (self.data_dir / "up.log").open("ab") as log:
            process = subprocess.Popen(
                [*CLI, "up", "--data-dir", str(self.data_dir), *options],
                env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self._processes.append(process)
        return process

    def cli(self, *arguments: str, timeout_s: float = 60) -> "subprocess.CompletedProcess[str]":
        """A command of the CLI, as a person would run it."""
        return subprocess.run(
            [*CLI, *arguments, "--data-dir", str(self.data_dir)],
            env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s,
            check=False,
        )  # fmt: skip

    def stop(self) -> None:
        """SIGTERM to every `up`; nothing it started may be left."""
        children = [
            c for p in self._processes if p.poll() is None for c in psutil.Process(p.pid).children(recursive=True)
        ]
        for process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes:
            process.wait(90)
        _, alive = psutil.wait_procs(children, timeout=5)
        assert alive == [], f"left behind: {alive}"

    @property
    def run(self) -> RunFile:
        found = read_run_file(self.data_dir)
        assert found is not None
        return found

    @property
    def settings(self) -> Settings:
        return read_settings(
            kafka_bootstrap_servers=self.run.kafka_bootstrap_servers, clickhouse_url=self.run.clickhouse_url
        )

    @property
    def submit_log(self) -> Path:
        return self.data_dir / "simulator" / "submits.jsonl"

    async def kill(self, service: str) -> None:
        """SIGKILL, and wait until `up` has started another one."""
        pid = self.run.processes[service]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(30):
            while self.run.processes.get(service) in (pid, None):
                await asyncio.sleep(0.05)

    def log_tails(self) -> str:
        """The end of every log, for a failed test."""
        files = [self.data_dir / "up.log", *sorted((self.data_dir / "logs").glob("*.log"))]
        return "\n".join(f"--- {f.name}\n" + "\n".join(f.read_text().splitlines()[-12:]) for f in files if f.exists())


def messages_to(prefix: str, count: int, **fields: Any) -> list[dict[str, Any]]:
    """Requests to `count` different numbers that begin with `prefix` (6 digits, so that tests never meet)."""
    return [
        {"value": {"account_id": "shop", "to": f"+{prefix}{n:07d}", "text": f"message {n}"} | fields}
        for n in range(count)
    ]


@asynccontextmanager
async def traffic(gateway: Gateway) -> AsyncIterator[tuple[Publisher, StatusFollower]]:
    """A producer and a reader of statuses, as an application has them."""
    publisher, follower = Publisher(gateway.settings), StatusFollower(gateway.settings)
    await publisher.start()
    await follower.start()
    try:
        yield publisher, follower
    finally:
        await follower.stop()
        await publisher.stop()


async def until_submits(gateway: Gateway, prefixes: Iterable[str], count: int, timeout_s: float = 60) -> None:
    """Wait until the SMSC has accepted `count` submit_sm to numbers with one of the prefixes."""
    wanted = tuple(prefixes)
    async with asyncio.timeout(timeout_s):
        while sum(s.to.startswith(wanted) for s in read_submit_log(gateway.submit_log)) < count:
            await asyncio.sleep(0.05)


async def settle(
    gateway: Gateway, publisher: Publisher, follower: StatusFollower, prefixes: Sequence[str], timeout_s: float = 90
) -> Reconciliation:
    """Wait for every final, then compare the four sources for the numbers with these prefixes."""
    ids = {p.message_id for p in publisher.published}
    missing = await follower.wait_for(ids, timeout_s)
    assert not missing, f"{len(missing)} of {len(ids)} have no final status\n{gateway.log_tails()}"
    stored = {}
    async with asyncio.timeout(30):
        while True:
            everything = await read_stored(gateway.settings, 0)
            stored = {mid: state for mid, state in everything.items() if mid in ids}
            if sum(final for _, final in stored.values()) == len(ids):
                break
            await asyncio.sleep(0.25)
    submits = [s for s in read_submit_log(gateway.submit_log) if s.to.startswith(tuple(prefixes))]
    finals = [f for f in follower.finals if f.message_id in ids]
    return reconcile(publisher.published, (0, 0), submits, finals, stored)


def rows(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    """The JSON lines a command printed."""
    return [json.loads(line) for line in done.stdout.splitlines()]
