"""Edge: the end-to-end benchmark: messages per second, latency by lane, and CPU per message of every process.

Everything is counted by the operating system's accounting, between two moments of a steady state: at least 20 s, after
at least 20 s of warm-up at each rate (a cold JVM costs six times as much, and first appends to new partitions stall for
a second). What it is measured against is in `aims.py`.
"""

import asyncio
import contextlib
import itertools
import json
import platform
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from schemas.topics import MT_REQUESTS, MT_REQUESTS_OTP
from services.cli.demo.traffic import StatusFollower
from services.cli.up.stack import Stack, StackOptions
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.kafka.replay import read_range
from shared.local.child import ChildSpec
from shared.local.ports import free_port
from shared.operations.health import look
from shared.operations.topic_creation import partition_counts
from shared.process.clock import monotonic_s, now_ms
from tests.bench.aims import MESSAGES_PER_S

HERE = Path(__file__).parent
TICK_S = 0.02

IDLE_SETTLES_S = 45
"""A JVM that has just started still compiles: for half a minute an idle broker takes half as much again."""


@dataclass(frozen=True, slots=True)
class Phase:
    """What was measured between two moments."""

    seconds: float
    finals: int
    cpu_s: dict[str, float]
    submit_log_from: int
    submit_log_to: int

    @property
    def rate(self) -> float:
        return self.finals / self.seconds

    def us_per_message(self) -> dict[str, float]:
        return {name: spent * 1e6 / self.finals for name, spent in self.cpu_s.items()} if self.finals else {}


def lanes(mix: dict[str, int]) -> Iterator[str]:
    """Lanes in the given proportion, evenly mixed, for ever."""
    return itertools.cycle([lane for lane, share in mix.items() for _ in range(share)])


class Load:
    """Publishes at a rate (open loop), or as fast as the number of open messages allows (closed loop)."""

    def __init__(self, stack: Stack, follower: StatusFollower) -> None:
        self._settings = stack.settings
        self._follower = follower
        self._numbers = itertools.count()
        self._lanes = lanes({"otp": 1, "txn": 3, "bulk": 6})
        self.sent = 0

    def _batch(self, count: int) -> list[Out]:
        made = []
        for number, lane in zip(itertools.islice(self._numbers, count), self._lanes, strict=False):
            request = {"account_id": "shop", "to": f"+447{number:09d}", "lane": lane,
                       "text": f"Your parcel {number} is on its way and will be with you today."}  # fmt: skip
            made.append(Out(MT_REQUESTS_OTP if lane == "otp" else MT_REQUESTS, None, json.dumps(request).encode()))
        return made

    async def run(self, rate: float | None, open_max: int) -> None:
        """Until it is cancelled. `rate` None: closed loop.

        It shares the processors with what is measured, so it sends whole batches, which costs less.
        """
        producer = BatchProducer(self._settings, client_id="load")
        await producer.start()
        try:
            began, base = monotonic_s(), self.sent
            while True:
                await asyncio.sleep(TICK_S)
                room = open_max - (self.sent - len(self._follower.ended))
                due = room if rate is None else min(int((monotonic_s() - began) * rate) - (self.sent - base), room)
                batch = self._batch(max(0, min(due, 2000)))
                self.sent += len(batch)
                await producer.send_all(batch)
        finally:
            await producer.stop()


def cpu_seconds(stack: Stack) -> dict[str, float]:
    """User and system time of each process so far, with whatever it started: what runs, and what has ended."""
    return {name: _cpu_of_tree(state.pid) for name, state in stack.states().items() if state.pid is not None}


def _cpu_of_tree(pid: int) -> float:
    """The accounting of a process has that of its children that ended and were waited for."""
    process = psutil.Process(pid)
    spent = 0.0
    for member in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):  # ended since, and counted with its parent
            times = member.cpu_times()
            spent += times.user + times.system + times.children_user + times.children_system
    return spent


def memory_mb(stack: Stack) -> dict[str, float]:
    """Resident memory by process."""
    return {
        name: psutil.Process(state.pid).memory_info().rss / 1e6
        for name, state in stack.states().items()
        if state.pid is not None
    }


async def measure(stack: Stack, follower: StatusFollower, seconds: float) -> Phase:
    """Let everything run for `seconds`."""
    before, finals, log = cpu_seconds(stack), len(follower.ended), _size(stack.submit_log)
    began = monotonic_s()
    await asyncio.sleep(seconds)
    elapsed = monotonic_s() - began
    spent = {name: total - before.get(name, 0.0) for name, total in cpu_seconds(stack).items()}
    return Phase(elapsed, len(follower.ended) - finals, spent, log, _size(stack.submit_log))


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


async def latencies(stack: Stack, phase: Phase) -> dict[str, list[int]]:
    """Milliseconds from acceptance (Kafka's record time) to the SMSC's socket, sorted, by lane."""
    with stack.submit_log.open("rb") as log:
        log.seek(phase.submit_log_from)
        lines = log.read(phase.submit_log_to - phase.submit_log_from).split(b"\n")[1:-1]
    arrived = {entry["destination_addr"]: entry["at_ms"] for entry in map(json.loads, lines)}
    found: dict[str, list[int]] = defaultdict(list)
    async for to, lane, accepted_ms in _accepted(stack):
        if to in arrived:
            found[lane].append(arrived[to] - accepted_ms)
    return {lane: sorted(values) for lane, values in found.items()}


async def _accepted(stack: Stack) -> Any:
    """(to, lane, accepted_at_ms) of every request, from Kafka itself."""
    counts = await partition_counts(stack.settings)
    for topic in (MT_REQUESTS, MT_REQUESTS_OTP):
        for partition in range(counts[topic]):
            async for batch in read_range(stack.settings, topic, partition):
                for record in batch:
                    request = json.loads(record.value)
                    yield request["to"].lstrip("+"), request["lane"], record.timestamp


def percentile(values: list[int], share: float) -> int:
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure. `rate` None: as many as it takes. `profile`: a service to run under cProfile, or none."""

    warm_s: float
    steady_s: float
    rate: float | None = None
    saturated_only: bool = False
    profile: str | None = None


class ProfiledStack(Stack):
    """Runs one service under cProfile, which writes `<service>.prof` to the current folder when the service ends.

    It makes calls dearer, so it says where the time goes, not how much there is.
    """

    profile: str | None = None

    def _service_spec(self, name: str) -> ChildSpec:
        spec = super()._service_spec(name)
        if name != self.profile:
            return spec
        profiler = ("-m", "cProfile", "-o", str(profile_file(name)))
        return replace(spec, argv=(spec.argv[0], *profiler, *spec.argv[1:]))


def profile_file(service: str) -> Path:
    return Path.cwd() / f"{service}.prof"


async def run(plan: Plan) -> dict[str, Any]:
    """The whole benchmark; returns its figures."""
    with tempfile.TemporaryDirectory(prefix="smsgw-bench-", ignore_cleanup_errors=True) as folder:
        port = free_port()
        kafka_port = free_port(port)
        config = Path(folder) / "gateway.yaml"
        config.write_text((HERE / "gateway.yaml").read_text().replace("2775", str(port)))
        options = StackOptions(
            data_dir=Path(folder) / "data", kafka_port=kafka_port, clickhouse_port=free_port(port, kafka_port),
            simulator_port=port, config=config, scenario=HERE / "scenario.yaml",
        )  # fmt: skip
        stack = ProfiledStack(options, _progress)
        stack.profile = plan.profile
        async with stack:
            await stack.start()
            await _healthy(stack)
            return await _figures(stack, plan)


async def _figures(stack: Stack, plan: Plan) -> dict[str, Any]:
    figures: dict[str, Any] = {"python": f"{platform.python_version()} of {sys.base_prefix}"}
    if not plan.saturated_only:
        figures["idle"] = await _idle(stack)
    follower = StatusFollower(stack.settings)
    await follower.start()
    try:
        load = Load(stack, follower)
        figures["saturated"] = await _phase(stack, follower, load, plan, plan.rate)
        if not plan.saturated_only:
            half = (plan.rate or min(figures["saturated"]["messages_per_s"], MESSAGES_PER_S)) / 2
            figures["half_rate"] = await _phase(stack, follower, load, plan, half)
            figures["tenth_rate"] = await _phase(stack, follower, load, plan, half / 5)
    finally:
        await follower.stop()
    figures["memory_mb"] = {n: round(mb) for n, mb in memory_mb(stack).items()}
    return figures


async def _healthy(stack: Stack) -> None:
    deadline = now_ms() + 60_000
    while problems := (await look(stack.settings)).problems:
        if now_ms() > deadline:
            raise RuntimeError("; ".join(problems))
        await asyncio.sleep(0.3)


def _progress(sentence: str) -> None:
    """Beside the figures, which may be for a program."""
    print(sentence, file=sys.stderr)


async def _idle(stack: Stack) -> dict[str, Any]:
    """Share of one core that each process takes when nothing happens."""
    await asyncio.sleep(IDLE_SETTLES_S)
    before, began = cpu_seconds(stack), monotonic_s()
    await asyncio.sleep(15)
    elapsed = monotonic_s() - began
    shares = {n: round(100 * (total - before.get(n, 0.0)) / elapsed, 2) for n, total in cpu_seconds(stack).items()}
    return {"percent_of_a_core": shares, "sum": round(sum(shares.values()), 2),
            "memory_mb": {n: round(mb) for n, mb in memory_mb(stack).items()}}  # fmt: skip


async def _phase(stack: Stack, follower: StatusFollower, load: Load, plan: Plan, rate: float | None) -> dict[str, Any]:
    publishing = asyncio.create_task(load.run(rate, open_max=12_000))
    try:
        await asyncio.sleep(plan.warm_s)
        phase = await measure(stack, follower, plan.steady_s)
    finally:
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
    async with asyncio.timeout(60):
        while len(follower.ended) < load.sent:
            await asyncio.sleep(0.1)
    found = await latencies(stack, phase)
    return {
        "messages_per_s": round(phase.rate),
        "us_per_message": {name: round(us, 1) for name, us in phase.us_per_message().items()},
        "accept_to_socket_ms": {
            lane: {"p50": percentile(v, 0.5), "p95": percentile(v, 0.95), "p99": percentile(v, 0.99), "n": len(v)}
            for lane, v in sorted(found.items())
        },
    }
