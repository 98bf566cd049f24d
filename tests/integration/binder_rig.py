"""Edge: what the binder's tests need around it: topics, a configuration, dispatches as the throttler writes them."""

import asyncio
import base64
import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError

from schemas.connector_states import ConnectorState
from schemas.dispatch import Dispatch
from schemas.feedback import Answer, Feedback
from schemas.gateway.connectors.smpp import SmppConnector
from schemas.gateway.file import AppliedConfig, Draining, Gateway
from schemas.payloads.smpp import SmppPayload
from schemas.topics import (
    CONFIG_GATEWAY,
    CONNECTOR_STATES,
    connector_topics,
    dispatch_topic,
    feedback_topic,
    shared_topics,
)
from services.binder.loop import Binder
from shared.kafka import seam
from shared.kafka.client import make_consumer
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.process.clock import now_ms
from shared.process.service import Service
from shared.process.settings import Settings


def settings_for(bootstrap: str, instance: str) -> Settings:
    return Settings(kafka_bootstrap_servers=bootstrap, instance=instance, leave_groups=True)


class Rig:
    """One test's part of the cluster. Names are the test's own; only the configuration is shared."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.settings = settings_for(bootstrap, "rig")
        self.producer = BatchProducer(self.settings, client_id="rig")
        self.tails: dict[str, Tail] = {}
        self.serial = 0

    async def start(self) -> "Rig":
        await self.producer.start()
        await self.create([(t.name, t.partitions, t.config) for t in shared_topics()])
        return self

    async def stop(self) -> None:
        for tail in self.tails.values():
            await tail.stop()
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

    async def apply(self, *connectors: SmppConnector, draining: Sequence[Draining] = ()) -> None:
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
        return await self.dispatch_all(connector_id, count, [partition], **changes)

    async def dispatch_all(self, connector_id: str, count: int, partitions: Iterable[int], **changes: Any) -> list[str]:
        """The same to each of `partitions`, in one request."""
        outs, ids = [], []
        for partition in partitions:
            for _ in range(count):
                self.serial += 1
                record = dispatch_record(self.serial, **changes)
                ids.append(record.id)
                outs.append(Out(dispatch_topic(connector_id), b"key", record.to_json(), partition=partition))
        await self.producer.send_all(outs)
        return ids

    async def tail(self, topic: str) -> "Tail":
        """Everything in a topic, followed live; one for each topic."""
        found = self.tails.get(topic)
        if found is None:
            found = self.tails[topic] = await Tail(self.settings, topic).start()
        return found

    async def feedback(self, connector_id: str, partition: int = 0) -> list[Feedback]:
        """The feedback partition as it is now."""
        tail = await self.tail(feedback_topic(connector_id))
        await tail.sync()
        return [Feedback.from_json(r.value) for r in tail.records if r.partition == partition]

    async def answers(self, connector_id: str, count: int, partition: int = 0, timeout_s: float = 30) -> list[Answer]:
        """The answers in the feedback partition, once there are `count`."""
        tail = await self.tail(feedback_topic(connector_id))

        def found() -> list[Answer]:
            records = [Feedback.from_json(r.value) for r in tail.records if r.partition == partition]
            return [a for record in records for a in record.answers]

        await tail.until(lambda: len(found()) >= count, timeout_s)
        return found()

    async def values(self, topic: str, wanted: str, count: int) -> list[bytes]:
        """Values of a topic that contain `wanted`, once there are `count`."""
        tail = await self.tail(topic)

        def found() -> list[bytes]:
            return [r.value for r in tail.records if r.value and wanted.encode() in r.value]

        await tail.until(lambda: len(found()) >= count)
        return found()

    def _states(self, tail: "Tail", connector_id: str) -> list[ConnectorState]:
        states = [ConnectorState.from_json(r.value) for r in tail.records if r.value]
        return [s for s in states if s.connector_id == connector_id]

    async def states(self, connector_id: str) -> list[ConnectorState]:
        """Everything that was said of a connector's leases, in order."""
        tail = await self.tail(CONNECTOR_STATES)
        await tail.sync()
        return self._states(tail, connector_id)

    async def state(self, connector_id: str, word: str, partition: int = 0, owner: str = "") -> ConnectorState:
        """Wait until the last state of a lease is `word`."""
        tail = await self.tail(CONNECTOR_STATES)

        def last() -> ConnectorState | None:
            states = [s for s in self._states(tail, connector_id) if s.partition == partition]
            return states[-1] if states and states[-1].state == word and states[-1].owner.startswith(owner) else None

        await tail.until(lambda: last() is not None, 40)
        found = last()
        assert found is not None
        return found

    async def holders(self, connector_id: str, instances: set[str]) -> dict[str, int]:
        """Wait until just these instances are bound; returns a partition of each."""
        tail = await self.tail(CONNECTOR_STATES)

        def bound() -> dict[str, int]:
            last = {s.partition: s for s in self._states(tail, connector_id)}
            return {s.owner.split("|")[0]: p for p, s in last.items() if s.state == "bound"}

        await tail.until(lambda: set(bound()) == instances, 40)
        return bound()


class Tail:
    """A topic read from its beginning and followed."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self.records: list[ConsumerRecord] = []
        self._topic = topic
        self._consumer = make_consumer(settings, auto_offset_reset="earliest")
        self._moved = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> "Tail":
        await self._consumer.start()
        await seam.know_topics(self._consumer, [self._topic])
        partitions = sorted(self._consumer.partitions_for_topic(self._topic) or ())
        assert partitions, f"no topic {self._topic}"
        self._consumer.assign([TopicPartition(self._topic, p) for p in partitions])
        self._task = asyncio.create_task(self._follow())
        return self

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._consumer.stop()

    async def _follow(self) -> None:
        while True:
            found = await self._consumer.getmany(timeout_ms=1000)
            async with self._moved:
                for records in found.values():
                    self.records += records
                self._moved.notify_all()

    async def until(self, condition: Callable[[], bool], timeout_s: float = 30) -> None:
        async with asyncio.timeout(timeout_s), self._moved:
            await self._moved.wait_for(condition)

    async def sync(self) -> None:
        """Returns when everything that is in the topic now has been read."""
        ends = await self._consumer.end_offsets(list(self._consumer.assignment()))
        async with asyncio.timeout(20), self._moved:
            while any([await self._consumer.position(tp) < end for tp, end in ends.items()]):
                await self._moved.wait()


def dispatch_record(serial: int, **changes: Any) -> Dispatch:
    """`changes` are of the record, or of its payload where that has a field of the name."""
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
        "kind": "smpp",
    }
    payload = {
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
    inside = {name: changes.pop(name) for name in [*changes] if name in SmppPayload.model_fields}
    return Dispatch.model_validate(fields | {"payload": payload | inside} | changes)


def connector(connector_id: str, port: int, **changes: Any) -> SmppConnector:
    options = {"response_timeout_s": 20, **changes.pop("options", {})}
    base = {
        "id": connector_id,
        "host": "127.0.0.1",
        "port": port,
        "system_id": "shop",
        "password": {"env": "SMSGW_SECRET_SMSC"},
    }
    return SmppConnector.model_validate(base | {"options": options} | changes)


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
        """As on SIGTERM: everything is finished and released. One that has ended is only cleaned up after."""
        self.service.stopping.set()
        try:
            if not self._tasks[1].done():
                await self._tasks[1]
        finally:
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
