"""Edge: what the whole encoder service costs: CPU per single-segment message, Kafka's client included.

    .venv/bin/python -m tests.bench.bench_encoder [--messages 60000] [--rate 1000] [--seconds 15]

One encoder process on a real Kafka. First it works off a backlog, in full batches; then it follows a steady rate, in
the batches of its cadence. The figure is the process's CPU time by the records that reached the lanes meanwhile,
between two moments when it was at work: what starting costs is not in it. On a machine with other work a core does
less in a second of CPU; the best stretch of 5,000 messages is nearest to what the work itself costs.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.segments import SegmentedMessage
from schemas.topics import MT_SUBMISSIONS, segments_topic
from schemas.wire import LANES
from shared.kafka import seam
from shared.kafka.client import make_consumer, partitions_of
from shared.kafka.records import Out
from shared.local.kafka import EmbeddedKafka
from shared.local.ports import free_port
from shared.messages.ids import message_id_of
from shared.process.clock import monotonic_s, now_ms
from tests.integration.flow_rig import Rig
from tests.unit import submissions
from tests.unit.ingress.scene import applied

AIM_US = 35.0
CONNECTOR = "acme-1"
WARM_UP = 15_000
"""Messages of the backlog before anything is counted: imports, the first fetches, caches."""

STRETCH = 5_000
SAMPLE_S = 0.02
TICK_S = 0.01
GIVE_UP_S = 120.0


class Sample(NamedTuple):
    """How far the encoder was, and what it had spent, at the same moment."""

    at_s: float
    written: int
    cpu_s: float


class Encoder:
    """The process that is measured, and the ends of the lanes it writes to."""

    def __init__(self, process: psutil.Process, consumer: AIOKafkaConsumer, lanes: list[TopicPartition]) -> None:
        self._process = process
        self._consumer = consumer
        self._lanes = lanes

    async def sample(self) -> Sample:
        ends = await self._consumer.end_offsets(self._lanes)
        times = self._process.cpu_times()
        return Sample(monotonic_s(), sum(ends.values()), times.user + times.system)

    async def until(self, written: int) -> list[Sample]:
        """Samples, the last of them the first with so many records in the lanes."""
        found = [await self.sample()]
        async with asyncio.timeout(GIVE_UP_S):
            while found[-1].written < written:
                await asyncio.sleep(SAMPLE_S)
                found.append(await self.sample())
        return found


def submission(number: int) -> Out:
    at_ms = now_ms()
    made = submissions.submission(
        message_id=message_id_of(at_ms, "bench", 0, number),
        account_id=f"shop-{number % 10}",
        to=f"4477009{number % 100_000:05d}",
        text=f"Your parcel {number} arrives today between 10 and 12. Track it at https://shop.example/p/{number}",
        accepted_at_ms=at_ms,
        expires_at_ms=at_ms + 3_600_000,
        connector_id=CONNECTOR,
    )
    return Out(MT_SUBMISSIONS, made.context.to.encode(), made.to_json())


def each_us(begun: Sample, ended: Sample) -> float:
    return (ended.cpu_s - begun.cpu_s) / max(1, ended.written - begun.written) * 1e6


def best_stretch_us(samples: list[Sample]) -> float:
    """The least CPU per message over any `STRETCH` messages."""
    stretches = []
    for begun in samples:
        ended = next((later for later in samples if later.written - begun.written >= STRETCH), None)
        if ended is not None:
            stretches.append(each_us(begun, ended))
    return min(stretches, default=each_us(samples[0], samples[-1]))


def report(name: str, samples: list[Sample], aim_us: float | None = None) -> None:
    begun, ended = samples[0], samples[-1]
    count, each, best = ended.written - begun.written, each_us(begun, ended), best_stretch_us(samples)
    judged = "" if aim_us is None else f"; aim {aim_us:g}: {'met' if best <= aim_us else 'missed'}"
    print(
        f"{name:<16} {count:6d} messages, {count / (ended.at_s - begun.at_s):5.0f}/s: {each:5.1f} us of CPU each, "
        f"{best:5.1f} in the best stretch{judged}"
    )


async def follow_a_rate(rig: Rig, encoder: Encoder, rate: int, seconds: float, first: int) -> list[Sample]:
    """Samples from two seconds after the load began until its end."""
    samples: list[Sample] = []
    began_s, sent = monotonic_s(), 0
    while (passed_s := monotonic_s() - began_s) < seconds + 2:
        due = int(passed_s * rate) - sent
        await rig.producer.send_all(submission(first + sent + n) for n in range(due))
        sent += due
        if passed_s >= 2:
            samples.append(await encoder.sample())
        await asyncio.sleep(TICK_S)
    return samples


async def single_segments(rig: Rig, lane: str) -> None:
    """Look at one record: what is measured shall be what was meant."""
    consumer = make_consumer(rig.settings, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign(await partitions_of(consumer, lane))
        record = await consumer.getone()
        assert len(SegmentedMessage.from_json(record.value).segments) == 1
    finally:
        await consumer.stop()


async def measure(bootstrap: str, messages: int, rate: int, seconds: float) -> None:
    async with Rig(bootstrap) as rig:
        await rig.apply(applied({"to": [{"connector": CONNECTOR}]}, connectors=[CONNECTOR]))
        total = WARM_UP + messages
        for start in range(0, total, 1_000):
            await rig.producer.send_all(submission(number) for number in range(start, min(start + 1_000, total)))
        consumer = make_consumer(rig.settings)
        await consumer.start()
        lanes = await partitions_of(consumer, *(segments_topic(CONNECTOR, lane) for lane in LANES))
        environment = os.environ | {"SMSGW_KAFKA_BOOTSTRAP_SERVERS": bootstrap, "SMSGW_INSTANCE": "bench"}
        child = await asyncio.create_subprocess_exec(sys.executable, "-m", "services", "encoder", env=environment)
        try:
            encoder = Encoder(psutil.Process(child.pid), consumer, lanes)
            warm = await encoder.until(WARM_UP)
            samples = warm[-1:] + await encoder.until(total)
            await single_segments(rig, segments_topic(CONNECTOR, "txn"))
            report("backlog", samples, AIM_US)
            report(f"{rate} messages/s", await follow_a_rate(rig, encoder, rate, seconds, total))
        finally:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself, and the figures are of no use
                child.terminate()
            await child.wait()
            await consumer.stop()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=60_000, help="of the backlog")
    parser.add_argument("--rate", type=int, default=1_000, help="messages per second of the steady load")
    parser.add_argument("--seconds", type=float, default=15, help="of the steady load")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        seam.install()
        kafka = EmbeddedKafka(Path(folder), free_port())
        kafka.start()
        try:
            asyncio.run(measure(kafka.bootstrap_servers, arguments.messages, arguments.rate, arguments.seconds))
        finally:
            kafka.stop()


if __name__ == "__main__":
    main()
