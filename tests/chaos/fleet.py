"""Edge: a whole gateway with two processes of every service, and a proxy between any two parts.

Kafka and ClickHouse are started by the supervisor of `smsgw up`, the rest by two `smsgw up`, as a person would. What
the services know as Kafka, ClickHouse and SMSC are the proxies; we ourselves look at Kafka by a listener of its own,
and at ClickHouse directly, so that no fault hides what it did.
"""

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import psutil
import yaml

from services.cli.up.run_file import read_run_file
from shared.local.child import ChildSpec
from shared.local.kafka import EmbeddedKafka
from shared.local.ports import LOOPBACK, free_port
from shared.local.supervisor import Supervisor
from shared.operations.clickhouse_access import clickhouse
from shared.operations.errors import Unreachable
from shared.operations.hanging.watch import keep_ended
from shared.process.settings import Settings, read_settings
from tests.chaos.clocks import Clocks
from tests.chaos.disks import SmallDisk
from tests.chaos.plan import CLICKHOUSE, INSTANCES, KAFKA, PUBLISHER, SERVICES, SMSC
from tests.chaos.proxy import Proxy
from tests.e2e.gateway import Gateway

HERE: Final = Path(__file__).parent
READY_S: Final = 120.0
DISK_SIZE: Final = "1g"


class Fleet(Gateway):
    """Use it as an async context manager. The folder must be empty."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self._ports = dict(
            zip(("broker", "inside", "controller", "clickhouse"), _ports(self.simulator_port), strict=True)
        )
        taken = (*self._ports.values(), self.simulator_port)
        self.clocks = Clocks(data_dir / "clocks", INSTANCES)
        self.proxies = {
            KAFKA: Proxy(free_port(*taken), self._ports["broker"]),
            CLICKHOUSE: Proxy(free_port(*taken), self._ports["clickhouse"]),
            SMSC: Proxy(free_port(*taken), self.simulator_port, watches_binds=True),
        }
        self.disks = {
            KAFKA: SmallDisk(data_dir / KAFKA, DISK_SIZE),
            CLICKHOUSE: SmallDisk(data_dir / CLICKHOUSE, DISK_SIZE),
        }
        self.environment |= {
            "SMSGW_KAFKA_BOOTSTRAP_SERVERS": f"{LOOPBACK}:{self.proxies[KAFKA].port}",
            "SMSGW_CLICKHOUSE_URL": f"http://{LOOPBACK}:{self.proxies[CLICKHOUSE].port}",
            "SMSGW_SIMULATOR_SCENARIO": str(HERE / "scenario.yaml"),
        }
        self._supervisor = Supervisor(lambda _: None)
        self._open = contextlib.AsyncExitStack()

    @property
    def gateway(self) -> dict[str, Any]:
        """gateway.yaml as it is between the changes; connectors lead to the proxy."""
        text = (HERE / "gateway.yaml").read_text(encoding="utf-8")
        found: dict[str, Any] = yaml.safe_load(text.replace("2775", str(self.proxies[SMSC].port)))
        return found

    @property
    def settings(self) -> Settings:
        """For us: past the proxies."""
        return read_settings(
            kafka_bootstrap_servers=f"{LOOPBACK}:{self._ports['inside']}",
            clickhouse_url=f"http://{LOOPBACK}:{self._ports['clickhouse']}",
            data_dir=self.data_dir,
        )

    @property
    def publishers_settings(self) -> Settings:
        """For the application that publishes: through the proxy."""
        return read_settings(kafka_bootstrap_servers=self.environment["SMSGW_KAFKA_BOOTSTRAP_SERVERS"])

    async def __aenter__(self) -> "Fleet":
        try:
            await self._begin()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await asyncio.to_thread(self.stop)
        finally:
            await self._open.aclose()

    async def _begin(self) -> None:
        for disk in self.disks.values():
            self._open.enter_context(disk)
        await self._open.enter_async_context(self._supervisor)
        for proxy in self.proxies.values():
            await proxy.start()
            self._open.push_async_callback(proxy.stop)
        await self._start_kafka()
        await self._open.enter_async_context(_kept_ended(self.settings))
        await self._start_clickhouse()
        file = self.write_config(self.gateway)
        only = ",".join((SMSC, *SERVICES))
        self.up("--only", only, "--config", str(file), instance="0", **self.clocks.environment("0"))
        await self._until_configured()
        self.up("--only", ",".join(SERVICES), instance="1", **self.clocks.environment("1"))
        await self._until_well()

    def write_config(self, gateway: dict[str, Any]) -> Path:
        file = self.data_dir / "gateway.yaml"
        file.write_text(yaml.safe_dump(gateway), encoding="utf-8")
        return file

    async def _start_kafka(self) -> None:
        place = self.data_dir / KAFKA
        kafka = EmbeddedKafka(place, self._ports["broker"], self._ports["controller"], short_lived=True)
        await asyncio.to_thread(kafka.prepare)
        properties = place / "server.properties"
        text = _with_proxy(properties.read_text(), self._ports["inside"], self.proxies[KAFKA].port)
        properties.write_text(text, encoding="ascii")
        log = self.data_dir / "kafka.log"
        await self._supervisor.start(
            ChildSpec(KAFKA, tuple(kafka.command()), dict(os.environ), log, cwd=place, stop_order=2, stop_timeout_s=30)
        )
        async with asyncio.timeout(READY_S):
            while not await asyncio.to_thread(kafka.answers):
                await asyncio.sleep(0.2)

    async def _start_clickhouse(self) -> None:
        place, port = self.data_dir / CLICKHOUSE, self._ports["clickhouse"]
        argv = (sys.executable, "-m", "shared.local.clickhouse", "--data-dir", str(place), "--port", str(port))
        log = self.data_dir / "clickhouse.log"
        await self._supervisor.start(ChildSpec(CLICKHOUSE, argv, dict(os.environ), log, stop_order=1, nice=10))
        async with asyncio.timeout(READY_S):
            while not await asyncio.to_thread(_answers, self.settings):
                await asyncio.sleep(0.2)

    async def _until_configured(self) -> None:
        """Until the first `smsgw up` has made the topics and applied the file: the second must find it."""
        async with asyncio.timeout(READY_S):
            while read_run_file(self.data_dir) is None:
                await asyncio.sleep(0.1)

    async def _until_well(self) -> None:
        """Until both processes of every service run and have told what they hold."""
        async with asyncio.timeout(READY_S):
            for service in SERVICES:
                while not all([await self.is_well(service, instance) for instance in INSTANCES]):
                    await asyncio.sleep(0.5)

    async def is_well(self, service: str, instance: str) -> bool:
        state = (await self.instances(service)).get(instance)
        return state is not None and state.ready and state.pid == self.pid_of(service, instance)

    def pid_of(self, process: str, instance: str = "") -> int | None:
        """The process that runs now; None while there is none."""
        if process == PUBLISHER:
            return os.getpid()
        if process in (KAFKA, CLICKHOUSE):
            return self._supervisor.states()[process].pid
        return self._child(process, instance or "0")

    def supervisor_of(self, instance: str) -> int:
        """The `smsgw up` of an instance."""
        return self._processes[INSTANCES.index(instance)].pid

    def _child(self, name: str, instance: str) -> int | None:
        try:
            for child in psutil.Process(self.supervisor_of(instance)).children():
                with contextlib.suppress(psutil.Error):
                    words = child.cmdline()
                    if words[1:4] == ["-m", "services", name]:
                        return child.pid
        except (psutil.Error, IndexError):
            pass
        return None


def _say(sentence: str) -> None:
    sys.stdout.write(f"  {sentence}\n")
    sys.stdout.flush()


@contextlib.asynccontextmanager
async def _kept_ended(settings: Settings) -> AsyncIterator[None]:
    """What `smsgw up` does for the Kafka that it runs."""
    task = asyncio.create_task(keep_ended(settings, _say))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _answers(settings: Settings) -> bool:
    try:
        clickhouse(settings).close()
    except Unreachable:
        return False
    return True


def _ports(*taken: int) -> list[int]:
    found: list[int] = []
    for _ in range(4):
        found.append(free_port(*taken, *found))
    return found


def _with_proxy(properties: str, inside: int, proxy: int) -> str:
    """server.properties with a second listener, for the broker itself and for us; clients are sent to the proxy."""
    own = f"INSIDE://{LOOPBACK}:{inside}"
    changes: dict[str, Callable[[str], str]] = {
        "listeners": lambda value: f"{value},{own}",
        "advertised.listeners": lambda value: f"{re.sub(r':[0-9]+$', f':{proxy}', value)},{own}",
        "listener.security.protocol.map": lambda value: f"{value},INSIDE:PLAINTEXT",
        "inter.broker.listener.name": lambda _: "INSIDE",
    }
    lines = [line.partition("=") for line in properties.splitlines()]
    return "".join(f"{key}={changes.get(key, str)(value)}\n" for key, _, value in lines)
