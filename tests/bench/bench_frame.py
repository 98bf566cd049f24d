"""Edge: what FastStream's frame costs a batch, without Kafka and without a handler's work.

    .venv/bin/python -m tests.bench.bench_frame

Four loops take the same ready batches from the same consumer: a bare one; FastStream's with the stage's subscriber
(what the services use); FastStream's batch subscriber with two attributes of the instance replaced (what they used
before); and FastStream's batch subscriber as it is, with everything switched off that can be.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from itertools import chain
from typing import Any, Final

import aiokafka
from aiokafka import ConsumerRecord, TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from shared.kafka import seam
from shared.membership.frame import Batch, GatewayBroker
from shared.process.settings import read_settings

BATCHES: Final = 10_000
ROUNDS: Final = 5
SIZES: Final = (1, 50, 500)
TOPIC: Final = "mt.requests"


def records(count: int) -> dict[TopicPartition, list[ConsumerRecord]]:
    """Fetched records of one partition."""
    made = [
        ConsumerRecord(TOPIC, 0, n, 1_790_000_000_000, 0, b"key", b"x" * 300, None, 3, 300, ()) for n in range(count)
    ]
    return {TopicPartition(TOPIC, 0): made}


class ReadyConsumer:
    """Always has a batch, until `BATCHES` were taken."""

    batch: dict[TopicPartition, list[ConsumerRecord]] = records(1)
    taken: asyncio.Event

    def __init__(self, **_: Any) -> None:
        self._left = BATCHES

    def subscribe(self, **_: Any) -> None: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...

    async def getmany(self, **_: Any) -> dict[TopicPartition, list[ConsumerRecord]]:
        if self._left == 0:
            self.taken.set()
            await asyncio.Event().wait()
        self._left -= 1
        await asyncio.sleep(0)
        return self.batch


class Idle:
    """A stage without any work."""

    group = "ingress"
    topics = (TOPIC,)
    max_records = 500
    listener: Any = None

    def __init__(self) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def begin(self) -> None: ...
    async def drain(self) -> None: ...
    async def leave(self) -> None: ...
    async def end(self) -> None: ...

    async def next_batch(self, consumer: Any) -> Batch:
        found = await consumer.getmany(timeout_ms=1, max_records=500)
        return tuple(chain.from_iterable(found.values()))

    async def on_batch(self, records: Batch) -> None: ...


async def bare() -> None:
    idle, consumer = Idle(), ReadyConsumer()

    async def loop() -> None:
        while True:
            batch = await idle.next_batch(consumer)
            if batch:
                await idle.on_batch(batch)

    running = asyncio.ensure_future(loop())
    await ReadyConsumer.taken.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def subclass() -> None:
    broker = GatewayBroker(read_settings(kafka_bootstrap_servers="127.0.0.1:9"))
    broker.stage(Idle())
    await _until_taken(broker)


async def replaced() -> None:
    idle = Idle()
    broker, subscriber = _fast_stream()
    subscriber.get_msg = idle.next_batch
    subscriber.consume_one = idle.on_batch
    subscriber(idle.on_batch)
    await _until_taken(broker)


async def plain() -> None:
    async def octets(message: Any) -> Any:
        return message.body

    async def handle(_: Any) -> None: ...

    broker, subscriber = _fast_stream(decoder=octets)
    subscriber(handle)
    await _until_taken(broker)


def _fast_stream(**options: Any) -> tuple[KafkaBroker, Any]:
    broker = KafkaBroker(
        "127.0.0.1:9",
        apply_types=False,
        consumer_only=True,
        allow_auto_create_topics=False,
        log_level=logging.DEBUG,
        logger=logging.getLogger("faststream"),
    )
    subscriber = broker.subscriber(
        TOPIC, batch=True, group_id="bench", ack_policy=AckPolicy.MANUAL, no_reply=True, **options
    )
    return broker, subscriber


async def _until_taken(broker: KafkaBroker) -> None:
    await broker.start()
    await ReadyConsumer.taken.wait()
    await broker.stop()


def microseconds(run: Callable[[], Awaitable[None]]) -> float:
    """CPU time a batch, the best of `ROUNDS`."""

    async def once() -> float:
        ReadyConsumer.taken = asyncio.Event()
        began = time.process_time()
        await run()
        return (time.process_time() - began) / BATCHES * 1e6

    return min(asyncio.run(once()) for _ in range(ROUNDS))


def main() -> None:
    logging.disable(logging.CRITICAL)
    seam.install()
    aiokafka.AIOKafkaConsumer = ReadyConsumer
    print(f"{'microseconds of CPU a batch of':36}{''.join(f'{size:>8}' for size in SIZES)}")
    for name, run in (
        ("a bare loop", bare),
        ("FastStream, the stage's subscriber", subclass),
        ("FastStream, attributes replaced", replaced),
        ("FastStream as it is", plain),
    ):
        costs = []
        for size in SIZES:
            ReadyConsumer.batch = records(size)
            costs.append(microseconds(run))
        print(f"{name:36}{''.join(f'{cost:8.1f}' for cost in costs)}")


if __name__ == "__main__":
    main()
