"""Clients of Kafka that are given up before they run, e.g. because a takeover is cancelled: nothing may stay open."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from shared.kafka import BatchProducer, administering, consuming, leave_for_good, make_consumer, read_range
from shared.log_reader import LogReader
from shared.settings import Settings

SETTINGS = Settings(kafka_bootstrap_servers="127.0.0.1:9092")


class Clients:
    """Every client that was started, none of which ever gets an answer, and every one that was closed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.started: list[object] = []
        self.closed: list[object] = []
        self.starting = asyncio.Event()
        for kind, close in ((AIOKafkaConsumer, "stop"), (AIOKafkaProducer, "stop"), (AIOKafkaAdminClient, "close")):
            monkeypatch.setattr(kind, "start", lambda client: self._start(client))
            monkeypatch.setattr(kind, close, self._noticed(getattr(kind, close)))

    async def _start(self, client: object) -> None:
        self.started.append(client)
        self.starting.set()
        await asyncio.Event().wait()

    def _noticed(self, close: Callable[[Any], Any]) -> Callable[[Any], Any]:
        async def closed(client: object) -> None:
            self.closed.append(client)
            await close(client)

        return closed


async def use_consumer() -> None:
    async with consuming(SETTINGS):
        pass


async def use_admin() -> None:
    async with administering(SETTINGS):
        pass


async def read() -> None:
    async for _ in read_range(SETTINGS, "mt.requests", 0):
        pass


async def read_logs() -> None:
    async with LogReader(SETTINGS, lambda: None):
        pass


async def produce() -> None:
    await BatchProducer(SETTINGS, client_id="test").start()


@pytest.mark.parametrize("use", [use_consumer, use_admin, read, read_logs, produce])
async def test_one_that_is_cancelled_while_it_starts_is_closed(
    use: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = Clients(monkeypatch)
    task = asyncio.create_task(use())
    await clients.starting.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert clients.started
    assert set(clients.started) <= set(clients.closed)


async def test_one_that_never_started_is_nothing_to_its_group() -> None:
    consumer = make_consumer(SETTINGS, group_id="binder")
    leave_for_good(consumer)
    await consumer.stop()
