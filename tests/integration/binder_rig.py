"""Edge: what the binder's tests need around it: topics, a configuration, dispatches as the throttler writes them."""

import asyncio
import base64
import contextlib
from collections.abc import Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError

from schemas.connector_states import ConnectorState
from schemas.dispatch import Dispatch
from schemas.feedback import Answer, Feedback
from schemas.gateway_config import AppliedConfig, Connector, Draining, Gateway
from schemas.topics import (
    CONFIG_GATEWAY,
    CONNECTOR_STATES,
    connector_topics,
    dispatch_topic,
    feedback_topic,
    shared_topics,
)
from services.binder.loop import Binder
from shared.clock import now_ms
from shared.kafka import BatchProducer, read_range
from shared.records import Out
from shared.service import Service
from shared.settings import Settings


def settings_for(bootstrap: str, instance: str) -> Settings:
    return Settings(kafka_bootstrap_servers=bootstrap, instance=instance)


class Rig:
    """One test's part of the cluster. Names are the test's own; only the configuration is shared."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.settings = settings_for(bootstrap, "rig")
        self.producer = BatchProducer(self.settings, client_id="rig")
        self.serial = 0

    async def start(self) -> "Rig":
        await self.producer.start()
        await self.create([(t.name, t.partitions, t.config) for t in shared_topics()])
        return self

    async def stop(self) -> None:
        await self.producer.stop()

    async def create(self, topics: Sequence[tuple[str, int, dict[str, str]]]) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            for name, partitions, config in topics:
                with contextlib.suppress(TopicAlreadyExistsError):
                    await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config)])
            names = {name for name, _, _ in topics}
            while not names <= set(await admin.list_topics()):
                await asyncio.sleep(0.05)
        finally:
            await admin.close()

    async def apply(self, *connectors: Connector, draining: Sequence[Draining] = ()) -> None:
        for connector in (*connectors, *(d.connector for d in draining)):
            await self.create(
                [(t.name, t.partitions, t.config) for t in connector_topics(connector.id, connector.max_binds)]
            )
        applied = AppliedConfig(
            hash=f"{now_ms()}",
            applied_at_ms=now_ms(),
            gateway=Gateway(version=1, connectors=connectors),
            draining=tuple(draining),
        )
        await self.producer.send_all([Out(CONFIG_GATEWAY, b"gateway", applied.to_json())])

    async def dispatch(self, connector_id: str, count: int, partition: int = 0, **changes: Any) -> list[str]:
        """Write `count` dispatch records; returns their ids."""
        outs, ids = [], []
        for _ in range(count):
            self.serial += 1
            record = dispatch_record(self.serial, **changes)
            ids.append(record.id)
            outs.append(Out(dispatch_topic(connector_id), b"key", record.to_json(), partition=partition))
        await self.producer.send_all(outs)
        return ids

    async def feedback(self, connector_id: str, partition: int = 0) -> list[Feedback]:
        found = []
        async for records in read_range(self.settings, feedback_topic(connector_id), partition):
            found += [Feedback.from_json(r.value) for r in records]
        return found

    async def answers(self, connector_id: str, count: int, partition: int = 0, timeout_s: float = 20) -> list[Answer]:
        """The answers in the feedback partition, once there are `count`."""
        async with asyncio.timeout(timeout_s):
            while True:
                found = [a for f in await self.feedback(connector_id, partition) for a in f.answers]
                if len(found) >= count:
                    return found
                await asyncio.sleep(0.05)

    async def records(self, topic: str, wanted: str) -> list[bytes]:
        """Values of a topic that contain `wanted`."""
        found: list[bytes] = []
        partitions = await self.producer.partition_count(topic)
        for partition in range(partitions):
            async for records in read_range(self.settings, topic, partition):
                found += [r.value for r in records if r.value and wanted.encode() in r.value]
        return found

    async def states(self, connector_id: str) -> list[ConnectorState]:
        """Everything that was said of a connector's leases, in order."""
        states = [ConnectorState.from_json(v) for v in await self.records(CONNECTOR_STATES, f'"{connector_id}"')]
        return [s for s in states if s.connector_id == connector_id]

    async def state(self, connector_id: str, word: str, partition: int = 0, owner: str = "") -> None:
        """Wait until the last state of a lease is `word`."""
        async with asyncio.timeout(30):
            while True:
                states = [s for s in await self.states(connector_id) if s.partition == partition]
                if states and states[-1].state == word and states[-1].owner.startswith(owner):
                    return
                await asyncio.sleep(0.05)


def dispatch_record(serial: int, **changes: Any) -> Dispatch:
    message_id = f"00000000-0000-7000-8000-{serial:012d}"
    attempt = changes.pop("attempt", 1)
    fields = {
        "id": f"{message_id}/0/1/{attempt}",
        "message_id": message_id,
        "route_no": 0,
        "run": 0,
        "index": 1,
        "attempt": attempt,
        "lane": "bulk",
        "accepted_at_ms": now_ms(),
        "expires_at_ms": now_ms() + 3_600_000,
        "spacing_us": 500,
        "source_addr": "SHOP",
        "source_addr_ton": 5,
        "source_addr_npi": 0,
        "destination_addr": f"49{serial:010d}",
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "esm_class": 0,
        "data_coding": 0,
        "registered_delivery": 1,
        "octets": base64.b64encode(b"hello").decode(),
    }
    return Dispatch.model_validate(fields | changes)


def connector(connector_id: str, port: int, **changes: Any) -> Connector:
    options = {"response_timeout_s": 5, **changes.pop("options", {})}
    base = {
        "id": connector_id,
        "host": "127.0.0.1",
        "port": port,
        "system_id": "shop",
        "password": {"env": "SMSC_PASSWORD"},
    }
    return Connector.model_validate(base | {"options": options} | changes)


class RunningBinder:
    """A binder in this process: beats like a service, can be stopped, or killed without a word."""

    def __init__(self, bootstrap: str, instance: str) -> None:
        self.service = Service("binder", settings_for(bootstrap, instance))
        self.binder: Binder | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> "RunningBinder":
        await self.service.control.start()
        await self.service.gateway.start()
        self.binder = Binder(self.service)
        self._tasks = [
            asyncio.create_task(self.service._beat_for_ever()),
            asyncio.create_task(self.binder.run()),
        ]
        return self

    async def stop(self) -> None:
        """As on SIGTERM: everything is finished and released."""
        self.service.stopping.set()
        await self._tasks[1]
        await self._end()

    async def kill(self) -> None:
        """The loop is abandoned: nothing is finished, nothing released."""
        self._tasks[1].cancel()
        await asyncio.gather(self._tasks[1], return_exceptions=True)
        await self._end()

    async def failure(self) -> BaseException | None:
        done, _ = await asyncio.wait([self._tasks[1]], timeout=30)
        return next(iter(done)).exception() if done else None

    async def _end(self) -> None:
        self._tasks[0].cancel()
        await asyncio.gather(self._tasks[0], return_exceptions=True)
        await self.service.gateway.stop()
        await self.service.control.stop()
