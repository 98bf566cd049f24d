"""The embedded broker, as clients see it: it serves, it stops cleanly, and it loses nothing by restart or kill -9."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import TopicPartition

from shared.local.kafka import EmbeddedKafka, EmbeddedKafkaError
from shared.local.ports import free_port, is_free

pytestmark = pytest.mark.kafka


async def create_topic(bootstrap: str, topic: str, partitions: int = 1) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=partitions, replication_factor=1)])
    finally:
        await admin.close()


async def produce(bootstrap: str, topic: str, values: list[bytes], transactional_id: str | None = None) -> None:
    """One producer, idempotent; with a transactional id all values are one committed transaction."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", transactional_id=transactional_id
    )
    await producer.start()
    try:
        if transactional_id is None:
            await asyncio.gather(*[await producer.send(topic, value) for value in values])
        else:
            async with producer.transaction():
                await asyncio.gather(*[await producer.send(topic, value) for value in values])
    finally:
        await producer.stop()


async def consume(bootstrap: str, topic: str, count: int) -> list[bytes]:
    """The first `count` committed values of partition 0."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    consumer.assign([TopicPartition(topic, 0)])
    await consumer.start()
    values: list[bytes] = []
    try:
        async with asyncio.timeout(20):
            while len(values) < count:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    values += [record.value for record in records]
    finally:
        await consumer.stop()
    return values


async def test_idempotent_producer_and_consumer(kafka_bootstrap: str, unique_name: Callable[[str], str]) -> None:
    topic = unique_name("plain")
    await create_topic(kafka_bootstrap, topic)
    sent = [b"%d" % number for number in range(500)]
    await produce(kafka_bootstrap, topic, sent)
    assert await consume(kafka_bootstrap, topic, len(sent)) == sent


async def test_aborted_transaction_is_not_read(kafka_bootstrap: str, unique_name: Callable[[str], str]) -> None:
    topic = unique_name("transactions")
    await create_topic(kafka_bootstrap, topic)
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, transactional_id=unique_name("tx"))
    await producer.start()
    try:
        await producer.begin_transaction()
        await (await producer.send(topic, b"aborted"))
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait(topic, b"committed")
    finally:
        await producer.stop()
    assert await consume(kafka_bootstrap, topic, 1) == [b"committed"]


async def test_topics_are_not_created_by_themselves(kafka_bootstrap: str, unique_name: Callable[[str], str]) -> None:
    topic = unique_name("unknown")
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap)
    await consumer.start()
    try:
        assert topic not in await consumer.topics()
    finally:
        await consumer.stop()


async def test_life_of_a_broker(tmp_path: Path) -> None:
    """Start, clean stop, start again, kill -9, start again: one data directory, nothing produced is ever lost."""
    kafka = EmbeddedKafka(tmp_path / "a folder with spaces", free_port(), short_lived=True)
    await asyncio.to_thread(kafka.start)
    try:
        assert kafka.is_alive()
        with pytest.raises(EmbeddedKafkaError, match=f"Port {kafka.port} on 127.0.0.1 is taken"):
            EmbeddedKafka(tmp_path / "other", kafka.port).start()
        with pytest.raises(EmbeddedKafkaError, match="Another Kafka is using"):
            EmbeddedKafka(kafka.data_dir, free_port()).start()
        await create_topic(kafka.bootstrap_servers, "kept")
        await produce(kafka.bootstrap_servers, "kept", [b"before the stop"])

        await asyncio.to_thread(kafka.stop)
        assert not kafka.is_alive()
        assert is_free(kafka.port)
        await asyncio.to_thread(kafka.start)
        await produce(kafka.bootstrap_servers, "kept", [b"before the kill"], transactional_id="tx")

        pid = kafka.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(kafka.stop)
        assert not await asyncio.to_thread(kafka.answers)
        await asyncio.to_thread(kafka.start)
        await produce(kafka.bootstrap_servers, "kept", [b"after it"], transactional_id="tx")
        assert await consume(kafka.bootstrap_servers, "kept", 3) == [
            b"before the stop",
            b"before the kill",
            b"after it",
        ]
    finally:
        await asyncio.to_thread(kafka.stop)
