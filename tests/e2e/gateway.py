"""Edge: a whole gateway as a person starts it (`smsgw up`), on free ports, and what tests do to it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil

from schemas.service_states import ServiceState
from schemas.statuses import Status
from schemas.topics import EVERY_SERVICE, MT_STATUSES, dispatch_topic
from services.cli.demo.reconcile import REQUEST_DLQS, Reconciliation, Submit, reconcile
from services.cli.demo.traffic import Publisher, StatusFollower, count_dead_letters, read_stored, submits_in
from services.cli.up.run_file import RunFile, read_run_file
from shared.kafka.replay import read_range
from shared.local.ports import free_port
from shared.operations.beats import read_beats
from shared.operations.clickhouse_access import clickhouse_problem
from shared.operations.health import look
from shared.operations.topic_creation import partition_counts
from shared.process.settings import Settings, read_settings
from tests.e2e.work import unfinished

HERE = Path(__file__).parent
CLI = [sys.executable, "-m", "services.cli"]
START_S = 120.0
OPEN_MAX = 300


class Gateway:
    """One `smsgw up` and its data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.simulator_port = free_port()
        self.environment = {n: v for n, v in os.environ.items() if not n.startswith("SMSGW_")} | {
            "SMSGW_API_PORT": "0",
            "SMSGW_SIMULATOR_PORT": str(self.simulator_port),
            "SMSGW_SIMULATOR_SCENARIO": str(HERE / "scenario.yaml"),
            "SMSGW_CACHE_DIR": os.environ.get("SMSGW_CACHE_DIR", ""),
        }
        if not self.environment["SMSGW_CACHE_DIR"]:
            del self.environment["SMSGW_CACHE_DIR"]
        self._processes: list[subprocess.Popen[bytes]] = []
        self._options: tuple[str, ...] = ()
        self._submits: list[Submit] = []
        self._log_read = 0

    @property
    def config_file(self) -> Path:
        """The tests' gateway.yaml with the simulator's port."""
        text = (HERE / "gateway.yaml").read_text(encoding="utf-8").replace("2775", str(self.simulator_port))
        file = self.data_dir / "gateway.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    def start(self) -> None:
        """Everything; returns when `smsgw status` says healthy."""
        kafka_port = free_port(self.simulator_port)
        clickhouse_port = free_port(self.simulator_port, kafka_port)
        ports = ["--kafka-port", str(kafka_port), "--clickhouse-port", str(clickhouse_port)]
        self._options = (*ports, "--config", str(self.config_file))
        self._up_until_healthy()

    def start_on_given_kafka(self) -> None:
        """Everything but Kafka, which the environment names; returns when `smsgw status` says healthy."""
        clickhouse_port = free_port(self.simulator_port)
        self._options = ("--clickhouse-port", str(clickhouse_port), "--config", str(self.config_file))
        self._up_until_healthy()

    def start_on(self, kafka: str, clickhouse_url: str) -> None:
        """Everything but Kafka and ClickHouse, whose user and password are in this process's environment."""
        account = {name: os.environ[name] for name in ("SMSGW_CLICKHOUSE_USER", "SMSGW_CLICKHOUSE_PASSWORD")}
        places = {"SMSGW_KAFKA_BOOTSTRAP_SERVERS": kafka, "SMSGW_CLICKHOUSE_URL": clickhouse_url}
        self.environment |= places | account
        self._options = ("--config", str(self.config_file))
        self._up_until_healthy()

    def _up_until_healthy(self) -> None:
        self.up(*self._options)
        done = self.cli("status", "--wait", str(START_S), "--json", timeout_s=START_S + 10)
        assert done.returncode == 0, f"not healthy: {done.stdout}\n{done.stderr}\n{self.log_tails()}"

    def up(self, *options: str, instance: str | None = None, **variables: str) -> subprocess.Popen[bytes]:
        """One more `smsgw up` on this data directory, with further variables in its environment."""
        environment = self.environment | ({"SMSGW_INSTANCE": instance} if instance else {}) | variables
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
        places = {"kafka_bootstrap_servers": self.run.kafka_bootstrap_servers}
        if self.run.clickhouse_url:
            places["clickhouse_url"] = self.run.clickhouse_url
        return read_settings(**places)

    def submits_to(self, prefixes: Iterable[str]) -> list[Submit]:
        """What the SMSC has accepted so far for numbers with one of the prefixes, by its own log."""
        wanted = tuple(prefixes)
        with (self.data_dir / "simulator" / "submits.jsonl").open("rb") as log:
            log.seek(self._log_read)
            octets = log.read()
        whole = octets[: octets.rfind(b"\n") + 1]
        self._log_read += len(whole)
        self._submits += submits_in(whole)
        return [submit for submit in self._submits if submit.to.startswith(wanted)]

    async def kill_everything(self) -> None:
        """SIGKILL to `up`, whose processes, Kafka and ClickHouse too, end with it; and everything once more."""
        supervisor = self._processes[0]
        children = psutil.Process(supervisor.pid).children(recursive=True)
        supervisor.kill()
        await asyncio.to_thread(supervisor.wait, 10)
        _, alive = await asyncio.to_thread(psutil.wait_procs, children, timeout=20)
        assert alive == [], f"left behind: {alive}"
        self._processes.remove(supervisor)
        await asyncio.to_thread(self._up_until_healthy)

    async def kill(self, process: str) -> None:
        """SIGKILL, and wait until `up` has started another one."""
        pid = self.pid(process)
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(30):
            while self.run.processes.get(process) in (pid, None):
                await asyncio.sleep(0.05)

    async def kill_at_work(self, process: str) -> None:
        """`kill` while it has something in hand, and wait until its successor works."""
        await self.hold_at_work(process)
        await self.kill(process)
        await self.until_ready(process)

    async def hold_at_work(self, process: str) -> int:
        """SIGSTOP at a moment when the process has something in hand; returns its pid.

        It is held, asked about, and let go again until it has: the answer about a process that runs would be outdated.
        """
        pid = self.pid(process)
        async with asyncio.timeout(60):  # one that is held within a transaction has its offsets settled by a timeout
            while True:
                os.kill(pid, signal.SIGSTOP)
                try:
                    if await unfinished(self.settings, process):
                        return pid
                except BaseException:
                    os.kill(pid, signal.SIGCONT)
                    raise
                os.kill(pid, signal.SIGCONT)
                await asyncio.sleep(0.05)

    def pid(self, process: str) -> int:
        """Of a process of the first `up`, which must be running."""
        pid = self.run.processes[process]
        assert pid is not None
        return pid

    async def until_ready(self, process: str) -> None:
        """Until the process that runs now has its partitions and what it needs to know."""
        async with asyncio.timeout(60):
            while not await self._is_ready(process):
                await asyncio.sleep(0.1)

    async def _is_ready(self, process: str) -> bool:
        if process == "clickhouse":
            return not await asyncio.to_thread(clickhouse_problem, self.settings)
        if process not in EVERY_SERVICE:
            return True
        state = (await self.instances(process)).get("0")
        return state is not None and state.ready and state.pid == self.run.processes.get(process)

    async def instances(self, service: str) -> dict[str, ServiceState]:
        """The last beat under each instance id of a service; a process that stopped cleanly has none."""
        found = [b.state for b in (await read_beats(self.settings))[1] if b.state.service == service]
        return {state.instance: state for state in sorted(found, key=lambda state: state.beat_at_ms)}

    async def bound(self, instance: str) -> set[str]:
        """The dispatch partitions (`topic:partition`) whose bind an instance of the binder holds."""
        health = await look(self.settings)
        mine = [b for b in health.binds if b.state == "bound" and b.owner.partition("|")[0] == instance]
        return {f"{dispatch_topic(bind.connector_id)}:{bind.partition}" for bind in mine}

    def log_tails(self) -> str:
        """The end of every log, for a failed test."""
        files = [self.data_dir / "up.log", *sorted((self.data_dir / "logs").glob("*.log"))]
        return "\n".join(f"--- {f.name}\n" + "\n".join(f.read_text().splitlines()[-12:]) for f in files if f.exists())


def messages_to(prefix: str, count: int, start: int = 0, **fields: Any) -> list[dict[str, Any]]:
    """Requests to `count` different numbers that begin with `prefix` (6 digits, so that tests never meet)."""
    return [
        {"value": {"account_id": "shop", "to": f"+{prefix}{n:07d}", "text": f"message {n}"} | fields}
        for n in range(start, start + count)
    ]


class GatewayPublisher(Publisher):
    """Also knows what lay in the dead-letter topics before."""

    def __init__(self, settings: Settings, dead_before: dict[str, int]) -> None:
        super().__init__(settings)
        self.dead_before = dead_before


@asynccontextmanager
async def traffic(gateway: Gateway) -> AsyncIterator[tuple[GatewayPublisher, StatusFollower]]:
    """A producer and a reader of statuses, as an application has them."""
    publisher = GatewayPublisher(gateway.settings, await count_dead_letters(gateway.settings))
    follower = StatusFollower(gateway.settings)
    await publisher.start()
    await follower.start()
    try:
        yield publisher, follower
    finally:
        await follower.stop()
        await publisher.stop()


@asynccontextmanager
async def steadily(
    publisher: Publisher, follower: StatusFollower, messages: Callable[[int], list[dict[str, Any]]], every_s: float
) -> AsyncIterator[None]:
    """Publish `messages(0)`, `messages(1)`, … while the block runs, so that every service is at work all the time.

    No more while `OPEN_MAX` are under way: a slow machine must not collect a backlog.
    """
    enough = asyncio.Event()

    async def publish() -> None:
        turn = 0
        while not enough.is_set():
            if len(publisher.published) - len(follower.ended) < OPEN_MAX:
                await publisher.publish(messages(turn))
                turn += 1
            await asyncio.sleep(every_s)

    publishing = asyncio.create_task(publish())
    try:
        yield
    finally:
        enough.set()
        await publishing


async def until_submits(gateway: Gateway, prefixes: Iterable[str], count: int, timeout_s: float = 60) -> None:
    """Wait until the SMSC has accepted `count` submit_sm to numbers with one of the prefixes."""
    async with asyncio.timeout(timeout_s):
        while len(gateway.submits_to(prefixes)) < count:
            await asyncio.sleep(0.05)


async def settle(
    gateway: Gateway,
    publisher: GatewayPublisher,
    follower: StatusFollower,
    prefixes: Sequence[str],
    timeout_s: float = 90,
) -> Reconciliation:
    """Wait for every final, then compare the four sources for the numbers with these prefixes."""
    ids = {p.message_id for p in publisher.published}
    missing = await follower.wait_for(ids, timeout_s)
    assert not missing, f"{len(missing)} of {len(ids)} have no final status\n{gateway.log_tails()}"
    stored = {}
    first_ms = min(accepted_at_ms(message_id) for message_id in ids)
    async with asyncio.timeout(30):
        while True:
            everything = await read_stored(gateway.settings, 0, first_ms)
            stored = {mid: state for mid, state in everything.items() if mid in ids}
            if sum(final for _, final in stored.values()) == len(ids):
                break
            await asyncio.sleep(0.25)
    told = [one for one in follower.told if one.message_id in ids]
    dead = Counter(await count_dead_letters(gateway.settings))
    dead.subtract({topic: count for topic, count in publisher.dead_before.items() if topic in REQUEST_DLQS})
    return reconcile(publisher.published, (publisher.dead_letters, dead), gateway.submits_to(prefixes), told, stored)


def accepted_at_ms(message_id: str) -> int:
    """The time in an id (RFC 9562, 5.7)."""
    return int(message_id.replace("-", "")[:12], 16)


async def statuses_of(gateway: Gateway, message_ids: Collection[str]) -> dict[str, list[Status]]:
    """Every record of `mt.statuses` of these messages, in order."""
    found: dict[str, list[Status]] = defaultdict(list)
    wanted = {message_id.encode() for message_id in message_ids}
    for partition in range((await partition_counts(gateway.settings))[MT_STATUSES]):
        async for batch in read_range(gateway.settings, MT_STATUSES, partition):
            for record in (r for r in batch if r.key in wanted):
                status = Status.from_json(record.value)
                found[status.message_id].append(status)
    return found


def rows(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    """The JSON lines a command printed."""
    return [json.loads(line) for line in done.stdout.splitlines()]
