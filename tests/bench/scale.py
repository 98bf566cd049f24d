"""Edge: `make scale`: 1, 2, 4, 2 and 1 instances of each service under one load: what a message costs, how long the
flow pauses at each change, and whether anything is lost, doubled or sent too fast."""

import argparse
import asyncio
import contextlib
import itertools
import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from schemas.topics import EVERY_SERVICE
from services.cli.demo.reconcile import Submit
from services.cli.demo.traffic import StatusFollower
from shared.kafka import seam
from shared.operations.beats import read_beats
from shared.process.clock import monotonic_s, now_ms
from tests.bench.scale_figures import Outcome, Step, as_json, longest_gap_ms, misses, most_in_a_second, render
from tests.e2e.gateway import Gateway, GatewayPublisher, messages_to, settle, traffic, until_submits

CONNECTORS, MAX_BINDS = 4, 2
PREFIXES = [f"44060{n}" for n in range(CONNECTORS)]
TICK_S = 0.1
OPEN_S = 3
"""How many seconds' worth of messages are under way: enough that the rate is what holds them back."""
SETTLED_S = 5.0
"""How long after everybody is ready a pause still counts as one of the change."""

CONFIG = """version: 1
connectors:
{connectors}
accounts:
  - {{id: shop, default_sender: SHOP}}
routes:
{routes}
"""
CONNECTOR = """  - id: scale-{n}
    provider: scale
    host: 127.0.0.1
    port: {port}
    system_id: quick
    password: {{env: SMSGW_SECRET_SIMULATOR}}
    max_binds: {binds}
    window: 50
    tps: {tps}
"""
ROUTE = '  - {{match: {{prefix: "{prefix}"}}, to: [{{connector: scale-{n}}}]}}\n'


@dataclass(frozen=True, slots=True)
class ScalePlan:
    """`tps` of each connector; seconds that are counted at each of `steps` (instances of each service)."""

    tps: int
    steady_s: float
    steps: tuple[int, ...]


class ScaledGateway(Gateway):
    """One `smsgw up` with everything, and more of them with the services alone, as further machines would have them."""

    tps = 0

    @property
    def config_file(self) -> Path:
        connectors = "".join(
            CONNECTOR.format(n=n, port=self.simulator_port, binds=MAX_BINDS, tps=self.tps) for n in range(CONNECTORS)
        )
        routes = "".join(ROUTE.format(prefix=prefix, n=n) for n, prefix in enumerate(PREFIXES))
        file = self.data_dir / "gateway.yaml"
        file.write_text(CONFIG.format(connectors=connectors, routes=routes), encoding="utf-8")
        return file

    def service_processes(self) -> Iterable[tuple[str, psutil.Process]]:
        """Every process of a service that runs now, with the service's name."""
        for up in [p for p in self._processes if p.poll() is None]:
            for child in psutil.Process(up.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if (name := child.cmdline()[-1]) in EVERY_SERVICE:
                        yield name, child

    def cpu_seconds(self) -> dict[tuple[str, int], float]:
        found = {}
        for name, process in self.service_processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                found[name, process.pid] = times.user + times.system
        return found

    def binds(self) -> int:
        """Connections to the SMSC that are up just now."""
        simulator = psutil.Process(self.pid("simulator"))
        return sum(
            c.status == psutil.CONN_ESTABLISHED and c.laddr.port == self.simulator_port
            for c in simulator.net_connections("tcp")
        )


class Scaling:
    """Goes from one number of instances to the next, and measures each."""

    def __init__(self, gateway: ScaledGateway, steady_s: float) -> None:
        self._gateway = gateway
        self._steady_s = steady_s
        self._more: list[subprocess.Popen[bytes]] = []
        self._binds_max = 0

    async def watch_binds(self) -> None:
        while True:
            self._binds_max = max(self._binds_max, self._gateway.binds())
            await asyncio.sleep(TICK_S)

    async def step(self, instances: int, ended: Collection[str], *, first: bool) -> Step:
        self._binds_max = 0
        began_ms = now_ms()
        await self._scale_to(instances)
        await asyncio.sleep(SETTLED_S)
        changed_ms = now_ms()
        cpu, finals, began_s = self._gateway.cpu_seconds(), len(ended), monotonic_s()
        await asyncio.sleep(self._steady_s)
        spent: dict[str, float] = dict.fromkeys(EVERY_SERVICE, 0.0)
        for (name, pid), total in self._gateway.cpu_seconds().items():
            spent[name] += total - cpu.get((name, pid), 0.0)
        finals, seconds = len(ended) - finals, monotonic_s() - began_s
        submits = self._gateway.submits_to(PREFIXES)
        moments = [one.at_ms for one in submits]
        return Step(
            instances,
            finals / seconds,
            {name: 1e6 * cpu_s / max(1, finals) for name, cpu_s in spent.items()},
            None if first else longest_gap_ms(moments, began_ms, changed_ms),
            self._binds_max,
            max(most_in_a_second(_of(submits, prefix, began_ms)) for prefix in PREFIXES),
        )

    async def _scale_to(self, instances: int) -> None:
        while len(self._more) + 1 < instances:
            number = str(len(self._more) + 1)
            more = self._gateway.up("--only", ",".join(EVERY_SERVICE), instance=number, SMSGW_LEAVE_GROUPS="1")
            self._more.append(more)
        leaving = []
        while len(self._more) + 1 > instances:
            leaving.append(self._more.pop())
            leaving[-1].terminate()
        for process in leaving:
            await asyncio.to_thread(process.wait, 120)
        async with asyncio.timeout(120):
            while not await self._ready(instances):
                await asyncio.sleep(0.3)

    async def _ready(self, instances: int) -> bool:
        beats = (await read_beats(self._gateway.settings))[1]
        ready = {(b.state.service, b.state.instance) for b in beats if b.fresh and b.state.ready}
        return {(s, str(n)) for s in EVERY_SERVICE for n in range(instances)} <= ready


def _of(submits: Iterable[Submit], prefix: str, since_ms: int) -> list[int]:
    return [one.at_ms for one in submits if one.to.startswith(prefix) and one.at_ms >= since_ms]


async def publish(publisher: GatewayPublisher, follower: StatusFollower, open_max: int, enough: asyncio.Event) -> None:
    """Until there is `enough`: as much as holds `open_max` messages under way, evenly for all connectors."""
    numbers = itertools.count()
    while not enough.is_set():
        room = (open_max - len(publisher.published) + len(follower.ended)) // CONNECTORS
        batch = list(itertools.islice(numbers, max(0, room)))
        if batch:
            await publisher.publish([m for p in PREFIXES for m in messages_to(p, len(batch), batch[0])])
        await asyncio.sleep(TICK_S)


async def run(plan: ScalePlan, folder: Path) -> Outcome:
    gateway = ScaledGateway(folder)
    gateway.tps = plan.tps
    gateway.start()
    try:
        return await _measured(gateway, plan)
    finally:
        gateway.stop()


async def _measured(gateway: ScaledGateway, plan: ScalePlan) -> Outcome:
    scaling = Scaling(gateway, plan.steady_s)
    async with traffic(gateway) as (publisher, follower):
        open_max = OPEN_S * plan.tps * CONNECTORS
        enough = asyncio.Event()
        watching = asyncio.create_task(scaling.watch_binds())
        publishing = asyncio.create_task(publish(publisher, follower, open_max, enough))
        steps = []
        try:
            await until_submits(gateway, PREFIXES, 5 * open_max, timeout_s=300)  # a cold JVM costs six times as much
            for number, instances in enumerate(plan.steps):
                steps.append(await scaling.step(instances, follower.ended, first=number == 0))
                print(f"{instances} instances: measured", file=sys.stderr)
        finally:
            enough.set()
            watching.cancel()
            await asyncio.gather(publishing, watching, return_exceptions=True)
        result = await settle(gateway, publisher, follower, PREFIXES, timeout_s=180)
    return Outcome(
        steps,
        CONNECTORS * MAX_BINDS,
        plan.tps,
        result.published,
        len(result.lost),
        len(result.duplicates),
        sum(result.unknown.values()),
        result.contradictions,
    )


def main() -> int:
    """0, or with --check 1 when anything is not as it should be."""
    options = _options()
    seam.install()
    logging.disable(logging.CRITICAL)
    plan = ScalePlan(options.tps, options.steady, tuple(map(int, options.steps.split(","))))
    with contextlib.ExitStack() as stack:
        folder = options.keep or stack.enter_context(
            tempfile.TemporaryDirectory(prefix="smsgw-scale-", ignore_cleanup_errors=True)
        )
        outcome = asyncio.run(run(plan, Path(folder)))
    print(json.dumps(as_json(outcome), indent=2) if options.json else render(outcome))
    return int(options.check and bool(misses(outcome)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make scale", description=__doc__)
    parser.add_argument("--tps", type=int, default=100, help=f"messages per second of each of {CONNECTORS} connectors")
    parser.add_argument("--steady", type=float, default=20, help="seconds that are counted at each number of instances")
    parser.add_argument("--steps", default="1,2,4,2,1", help="instances of each service, one after the other")
    parser.add_argument("--keep", help="a new folder for data and logs, which stay")
    parser.add_argument("--check", action="store_true", help="exit status 1 when an aim is missed")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
