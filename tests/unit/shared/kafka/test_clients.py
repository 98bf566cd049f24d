"""Clients of Kafka that are given up before they run, e.g. because a takeover is cancelled: nothing may stay open."""

import asyncio
import gc
import struct
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from shared.kafka.client import administering, consuming, make_consumer
from shared.kafka.produce import BatchProducer
from shared.kafka.replay import LogReader, read_range
from shared.kafka.seam import become_dynamic
from shared.process.settings import Settings

API_VERSIONS: Final = 18
METADATA: Final = 3
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
    become_dynamic(consumer)
    await consumer.stop()


async def half_a_broker(asked: asyncio.Event, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says which versions it speaks, and nothing more."""
    while True:
        try:
            (length,) = struct.unpack(">i", await reader.readexactly(4))
            api_key, _version, correlation_id = struct.unpack(">hhi", (await reader.readexactly(length))[:8])
        except asyncio.IncompleteReadError:
            writer.close()
            return
        if api_key != API_VERSIONS:
            asked.set()
            continue
        versions = [(API_VERSIONS, 0, 0), (METADATA, 0, 5)]
        body = struct.pack(">ihi", correlation_id, 0, len(versions)) + b"".join(
            struct.pack(">hhh", *each) for each in versions
        )
        writer.write(struct.pack(">i", len(body)) + body)


@pytest.mark.parametrize("kind", [AIOKafkaConsumer, AIOKafkaProducer, AIOKafkaAdminClient])
async def test_its_first_connection_is_closed_too(kind: Any) -> None:
    """Cancelled between the connection and the first answer: aiokafka has it in no list yet, so `stop` leaves it."""
    asked = asyncio.Event()
    server = await asyncio.start_server(partial(half_a_broker, asked), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    made = kind(bootstrap_servers=f"127.0.0.1:{port}")
    starting = asyncio.create_task(made.start())
    await asyncio.wait_for(asked.wait(), 10)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    assert starting.cancelled()
    await (made.close() if kind is AIOKafkaAdminClient else made.stop())
    server.close()
    await server.wait_closed()  # before Python 3.12 it does not wait for connections
    await asyncio.sleep(0)
    del made, starting
    gc.collect()  # what is open still is an error of this test
