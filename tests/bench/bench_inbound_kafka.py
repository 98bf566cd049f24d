"""Edge: `python -m tests.bench.bench_inbound_kafka`: messages from handsets through a real broker, and STOP.

parts: a backlog of parts (one in four a message of its own, the others in threes), which a correlator in a process of
its own works off: parts a second from the first message told to the last, and its CPU a part. stops: with ingress too,
STOP from one handset after the other; requests to it follow each other, and what counts is how long after STOP was
written the first one was written that is refused. Aims: 5,000 parts a second, 2,000 ms.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import psutil

from schemas.gateway.accounts import Account
from schemas.topics import MO_MESSAGES, MT_REQUESTS, MT_STATUSES, MT_SUBMISSIONS, SMSC_INBOUND
from shared.kafka import seam
from shared.kafka.records import Out
from shared.local.kafka import EmbeddedKafka
from shared.local.ports import free_port
from shared.process.clock import now_ms
from shared.sms import udh
from tests.integration.flow_rig import Rig, Watch
from tests.unit.correlator.making import raw_inbound
from tests.unit.ingress.scene import applied, request

NUMBER: Final = "447700900999"
PARTS_PER_S: Final = 5_000
HONOURED_MS: Final = 2_000
GAP_S: Final = 0.03
AT_ONCE: Final = 2_000
"""Records of one call of the producer."""


def main() -> int:
    """0, or with --check 1 when an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=int, default=100_000)
    parser.add_argument("--stops", type=int, default=20)
    parser.add_argument("--check", action="store_true", help="exit 1 when an aim is missed")
    options = parser.parse_args()
    seam.install()
    with tempfile.TemporaryDirectory(prefix="smsgw-bench-", ignore_cleanup_errors=True) as folder:
        kafka = EmbeddedKafka(Path(folder), free_port(), short_lived=True)
        kafka.start()
        try:
            met = asyncio.run(_run(kafka.bootstrap_servers, options.parts, options.stops))
        finally:
            kafka.stop()
    return int(options.check and not met)


async def _run(bootstrap: str, parts: int, stops: int) -> bool:
    async with Rig(bootstrap) as rig:
        account = Account(id="shop", default_sender="SHOP", numbers=(NUMBER,))
        await rig.apply(applied({"to": [{"connector": "acme"}]}, accounts=[account]))
        records, messages = _backlog(parts)
        for first in range(0, len(records), AT_ONCE):
            await rig.producer.send_all(records[first : first + AT_ONCE])
        async with Watch(rig.settings, MO_MESSAGES) as watch, _service("correlator", bootstrap) as correlator:
            rate = await _worked_off(watch, psutil.Process(correlator.pid), len(records), messages)
            async with _service("ingress", bootstrap):
                slowest_ms = await _stops(rig, stops)
    return rate >= PARTS_PER_S and slowest_ms <= HONOURED_MS


def _backlog(parts: int) -> tuple[list[Out], int]:
    """Parts as binders write them, and of how many messages they are. Those of a message have others between them."""
    made, messages = [], 0

    def add(handset: int, octets: bytes, esm_class: int) -> None:
        raw = raw_inbound(
            octets, source_addr=f"4477{handset:08}", destination_addr=NUMBER, esm_class=esm_class,
            received_at_ms=now_ms(),
        )  # fmt: skip
        made.append(Out(SMSC_INBOUND, f"{NUMBER}{handset % 64}".encode(), raw.to_json()))

    while len(made) < parts:
        handsets = range(messages, messages + 100)
        for number in (2, 3, 1):
            for handset in handsets:
                add(handset, udh.header(udh.concatenation_16bit(handset % 65_536, 3, number)) + b"x" * 134, 0x40)
        for handset in handsets:
            add(handset + 50_000_000, b"A short text from a handset", 0)
        messages += 200
    return made, messages


@asynccontextmanager
async def _service(name: str, bootstrap: str) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {one: value for one, value in os.environ.items() if not one.startswith("SMSGW_")}
    environment |= {"SMSGW_KAFKA_BOOTSTRAP_SERVERS": bootstrap, "SMSGW_HTTP_HOST": "127.0.0.1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services", name, env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


async def _worked_off(watch: Watch, correlator: psutil.Process, parts: int, messages: int) -> float:
    """Parts a second."""
    told = watch.records[MO_MESSAGES]
    await watch.until(lambda: len(told) > 0, 120)
    began, first, cpu_s = time.perf_counter(), len(told), _cpu_s(correlator)
    await watch.until(lambda: len(told) >= messages, 600)
    share = max(messages - first, 1) / messages * parts
    took_s, cpu_us = time.perf_counter() - began, (_cpu_s(correlator) - cpu_s) / share * 1e6
    rate = share / took_s
    print(
        f"{parts} parts, {messages} messages: {rate:,.0f} parts/s (aim >= {PARTS_PER_S:,}), {cpu_us:.1f} µs CPU a part"
    )
    return rate


def _cpu_s(process: psutil.Process) -> float:
    return float(sum(process.cpu_times()[:2]))


async def _stops(rig: Rig, count: int) -> float:
    """Milliseconds of the slowest."""
    async with Watch(rig.settings, MT_STATUSES, MT_SUBMISSIONS) as watch:
        await _refused_since(rig, watch, "447700800000", 0)  # ingress is there
        times = []
        for n in range(count):
            handset = f"4477008{n + 1:05}"
            raw = raw_inbound(b"STOP", source_addr=handset, destination_addr=NUMBER, received_at_ms=now_ms())
            began = time.perf_counter()
            await rig.producer.send_all([Out(SMSC_INBOUND, NUMBER.encode(), raw.to_json())])
            times.append((await _refused_since(rig, watch, handset, 1) - began) * 1000)
    times.sort()
    print(
        f"STOP is honoured after {times[len(times) // 2]:.0f} ms, at most {times[-1]:.0f} ms (aim <= {HONOURED_MS:,})"
    )
    return times[-1]


async def _refused_since(rig: Rig, watch: Watch, handset: str, wanted: int) -> float:
    """When the first request to `handset` was written that was refused; with `wanted` 0, that was decided at all."""
    written: dict[str, float] = {}

    def decided() -> Sequence[str]:
        refused = [
            str(status["message_id"]) for status in watch.values(MT_STATUSES) if status.get("reason") == "opted_out"
        ]
        return refused if wanted else [*refused, *(str(record.offset) for record in watch.records[MT_SUBMISSIONS])]

    before = len(decided())
    while len(decided()) == before:
        key = f"{handset}-{len(written)}"
        written[key] = time.perf_counter()
        value = request(account_id="shop", to=handset, idempotency_key=key, **{"from": NUMBER})
        await rig.producer.send_all([Out(MT_REQUESTS, f"shop:{key}".encode(), value)])
        await asyncio.sleep(GAP_S)
    await asyncio.sleep(1)
    keys = {str(s.get("idempotency_key")) for s in watch.values(MT_STATUSES) if s.get("reason") == "opted_out"}
    return min((at for key, at in written.items() if key in keys), default=time.perf_counter())


if __name__ == "__main__":
    raise SystemExit(main())
