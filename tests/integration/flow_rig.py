"""Edge: what a test of one service on a real broker needs: topics, a configuration, records in and out, a crash."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from schemas.gateway.file import AppliedConfig
from schemas.topics import CONFIG_GATEWAY
from shared.kafka.client import make_consumer, partitions_of
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.operations.config.apply import create_topics
from shared.process.service import Service
from shared.process.settings import Settings

Job = Callable[[Service], Awaitable[None]]


class Watch:
    """Everything that is written to some topics from now on."""

    def __init__(self, settings: Settings, *topics: str) -> None:
        self._topics = topics
        self._consumer: AIOKafkaConsumer = make_consumer(settings, fetch_max_wait_ms=50)
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self.records: dict[str, list[ConsumerRecord]] = defaultdict(list)

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        partitions = await partitions_of(self._consumer, *self._topics)
        self._consumer.assign(partitions)
        await self._consumer.seek_to_end(*partitions)
        for tp in partitions:
            await self._consumer.position(tp)
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._consumer.stop()

    async def _follow(self) -> None:
        while True:
            for tp, records in (await self._consumer.getmany(timeout_ms=200)).items():
                self.records[tp.topic] += records
            async with self._changed:
                self._changed.notify_all()

    def values(self, topic: str) -> list[dict[str, Any]]:
        return [orjson.loads(r.value) for r in self.records[topic] if r.value is not None]

    async def until(self, condition: Callable[[], bool], timeout_s: float = 30) -> None:
        """Wait until `condition` holds; it is asked again whenever records have come."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(condition)


class Rig:
    """The cluster as the tests of a service use it."""

    def __init__(self, bootstrap: str) -> None:
        self.settings = Settings(kafka_bootstrap_servers=bootstrap, instance="0")
        self.producer = BatchProducer(self.settings, client_id="rig")

    async def __aenter__(self) -> Self:
        await create_topics(self.settings)
        await self.producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.producer.stop()

    async def apply(self, config: AppliedConfig) -> None:
        """Publish a configuration, with the topics of its connectors, as `smsgw config apply` does."""
        await self.create(config)
        await self.producer.send_all([self.config_out(config)])

    async def create(self, config: AppliedConfig) -> None:
        """Create the topics of its connectors."""
        await create_topics(self.settings, config.gateway.connectors)

    @staticmethod
    def config_out(config: AppliedConfig) -> Out:
        return Out(CONFIG_GATEWAY, b"gateway", config.to_json())

    @staticmethod
    def nothing_new() -> Out:
        """A record of the configuration that says nothing, and wakes who follows it."""
        return Out(CONFIG_GATEWAY, b"nobody", None)

    async def send(self, topic: str, *values: bytes, key: bytes | None = None) -> None:
        """As a plain client would: its own partitioner, its own batches."""
        producer = AIOKafkaProducer(bootstrap_servers=self.settings.kafka_bootstrap_servers)
        await producer.start()
        try:
            for value in values:
                await producer.send(topic, value, key=key)
        finally:
            await producer.stop()

    @asynccontextmanager
    async def running(
        self, name: str, job: Job, *, crash: bool = False, service: Service | None = None
    ) -> AsyncIterator[Service]:
        """The service in this process, ready. It drains on leaving; with `crash` it is cut off instead."""
        service = service or Service(name, self.settings)
        await service.control.start()
        await service.gateway.start()
        task = asyncio.ensure_future(job(service))
        try:
            await _ready(service, task)
            yield service
            if not crash:
                service.stopping.set()
                await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await service.gateway.stop()
            await service.control.stop()


async def _ready(service: Service, task: "asyncio.Future[None]") -> None:
    async with asyncio.timeout(30):
        while not service.ready:
            if task.done():
                task.result()
            await asyncio.sleep(0.02)


def events(watch: Watch, word: str, message_ids: Sequence[str]) -> list[dict[str, Any]]:
    """The events with this word about these messages."""
    return [e for e in watch.values("lifecycle.events") if e["event"] == word and e["message_id"] in message_ids]
