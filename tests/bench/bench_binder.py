"""Edge: what the binder costs: CPU per message with receipt, as a process of its own, on a real Kafka and real TCP.

    .venv/bin/python -m tests.bench.bench_binder [--rate 2500] [--seconds 20] [--binds 2]

Records come in batches as the throttler commits them (every 50 ms); the SMSC double answers at once and sends a receipt
for each. The figure is the child's CPU time over the measured seconds, by the messages answered in them.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path
from uuid import uuid4

import psutil

from shared.kafka import seam
from shared.local.kafka import EmbeddedKafka
from shared.local.ports import free_port
from shared.process.clock import monotonic_s
from shared.smpp.pdu import DeliverSm
from tests.integration.binder_rig import Rig, connector
from tests.integration.smsc_double import SmscDouble

BATCH_S = 0.05


class EchoSmsc(SmscDouble):
    """Accepts everything and sends a receipt at once."""

    def _submit(self, connection, event):  # type: ignore[no-untyped-def]  # as the class above
        self.count += 1
        message_id = f"{self.count:08x}"
        connection.session.answer_submit(event.sequence_number, 0, message_id)
        text = (
            f"id:{message_id} sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:DELIVRD err:000 text:"
        )
        receipt = DeliverSm(
            source_addr=event.pdu.destination_addr,
            source_addr_ton=1,
            source_addr_npi=1,
            destination_addr=event.pdu.source_addr,
            esm_class=4,
            short_message=text.encode(),
        )
        if not connection.session.deliver(message_id, receipt, connection.now()):
            self.dropped += 1

    count = 0
    dropped = 0


async def _load(rig: Rig, connector_id: str, rate: int, binds: int, seconds: float) -> None:
    per_batch = max(1, round(rate * BATCH_S / binds))
    began, batch = monotonic_s(), 0
    spacing_us = max(1, 1_000_000 * binds // (2 * rate))
    padding = "x" * 900  # what `message` adds to the first record of a stay
    while monotonic_s() - began < seconds:
        await rig.dispatch_all(connector_id, per_batch, range(binds), spacing_us=spacing_us, message=padding)
        batch += 1
        await asyncio.sleep(max(0.0, began + batch * BATCH_S - monotonic_s()))


async def _measure(bootstrap: str, rate: int, seconds: float, binds: int) -> None:
    os.environ["SMSGW_SECRET_SMSC"] = "x"
    rig = await Rig(bootstrap).start()
    smsc = EchoSmsc()
    await smsc.start()
    connector_id = f"c-{uuid4().hex[:8]}"
    await rig.apply(connector(connector_id, smsc.port, max_binds=binds, window=100, tps=2 * rate))
    environment = os.environ | {"SMSGW_KAFKA_BOOTSTRAP_SERVERS": bootstrap, "SMSGW_INSTANCE": "bench"}
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "services", "binder", env=environment)
    process = psutil.Process(child.pid)
    try:
        for partition in range(binds):
            await rig.state(connector_id, "bound", partition)
        idle_from = _cpu(process)
        await asyncio.sleep(5)
        print(f"idle: {(_cpu(process) - idle_from) / 5:.2%} of a core")
        load = asyncio.create_task(_load(rig, connector_id, rate, binds, seconds + 12))
        await asyncio.sleep(10)
        cpu, count, at, user = _cpu(process), smsc.count, monotonic_s(), process.cpu_times().user
        await asyncio.sleep(seconds)
        cpu, count, took = _cpu(process) - cpu, smsc.count - count, monotonic_s() - at
        user = process.cpu_times().user - user
        print(
            f"{count / took:.0f} messages/s with receipt: {cpu / count * 1e6:.1f} us of CPU each "
            f"({user / count * 1e6:.1f} in user mode), "
            f"{process.memory_info().rss >> 20} MiB; receipts not delivered {smsc.dropped}"
        )
        await load
    finally:
        child.terminate()
        await child.wait()
        await rig.stop()
        await smsc.stop()


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, default=2500)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--binds", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        seam.install()
        kafka = EmbeddedKafka(Path(folder), free_port())
        kafka.start()
        try:
            asyncio.run(_measure(kafka.bootstrap_servers, arguments.rate, arguments.seconds, arguments.binds))
        finally:
            kafka.stop()


if __name__ == "__main__":
    main()
