"""Edge: transactions that a real broker has not ended, found and ended.

Kafka forgets a marker only by chance (`shared.operations.hanging.verdicts`), so the same is made otherwise: a producer
writes to a partition without a word to its coordinator, which the broker is told not to check. What the coordinator
counts as over is open there, for ever.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.topics import segments_topic
from services.cli.commands import topics
from services.cli.runtime import KAFKA_VARIABLE
from shared.kafka.client import administering, connection_options, consuming
from shared.operations.hanging.find import end_hanging, find_hanging
from shared.operations.hanging.watch import keep_ended
from shared.process.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(60)]


async def _verification(admin: AIOKafkaAdminClient, on: bool) -> None:
    setting = {"transaction.partition.verification.enable": str(on).lower()}
    await admin.alter_configs([ConfigResource(ConfigResourceType.BROKER, "1", setting)])


@asynccontextmanager
async def _hanging(settings: Settings) -> AsyncIterator[TopicPartition]:
    """A partition with a transaction that was committed, and one that hangs behind it."""
    tp = TopicPartition(segments_topic(f"h{uuid4().hex[:8]}", "txn"), 0)
    async with administering(settings) as admin:
        await admin.create_topics([NewTopic(tp.topic, 1, 1)])
        await _verification(admin, on=False)
        try:
            producer = AIOKafkaProducer(
                **connection_options(settings), transactional_id=f"throttler-{tp.topic}", transaction_timeout_ms=2000
            )
            await producer.start()
            async with producer.transaction():
                await producer.send_and_wait(tp.topic, b"one", partition=0)
            while await _stable_end(settings, tp) < 2:
                await asyncio.sleep(0.05)
            await producer.begin_transaction()
            producer._txn_manager._txn_partitions.add(tp)
            await producer.send_and_wait(tp.topic, b"two", partition=0)
            await producer.commit_transaction()
            await producer.stop()
            yield tp
        finally:
            await _verification(admin, on=True)
            await admin.delete_topics([tp.topic])


async def _stable_end(settings: Settings, tp: TopicPartition) -> int:
    async with consuming(settings) as consumer:
        return int((await consumer.end_offsets([tp]))[tp])


async def test_what_kafka_has_not_ended_is_found_and_ended(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(KAFKA_VARIABLE, kafka_bootstrap)
    settings = Settings(kafka_bootstrap_servers=kafka_bootstrap)
    async with _hanging(settings) as tp:
        assert await _stable_end(settings, tp) == 2, "a record and its marker; behind them nobody can read"
        assert await topics.hanging(None, end=False, as_json=True) == 1
        (row,) = [row for row in map(json.loads, capsys.readouterr().out.splitlines()) if row["topic"] == tp.topic]
        assert (row["partition"], row["since_offset"], row["outcome"], row["ended"]) == (0, 2, "commit", False)
        assert row["transactional_id"] == f"throttler-{tp.topic}"
        assert await topics.hanging(None, end=True, as_json=False) == 0
        assert tp.topic[:12] in capsys.readouterr().out
        assert await _stable_end(settings, tp) == 4
        assert await find_hanging(settings, {tp}) == []
        assert await end_hanging(settings, []) == []


async def test_a_transaction_that_is_under_way_is_left_alone(kafka_bootstrap: str) -> None:
    settings = Settings(kafka_bootstrap_servers=kafka_bootstrap)
    tp = TopicPartition(segments_topic(f"h{uuid4().hex[:8]}", "txn"), 0)
    async with administering(settings) as admin:
        await admin.create_topics([NewTopic(tp.topic, 1, 1)])
        producer = AIOKafkaProducer(**connection_options(settings), transactional_id=f"throttler-{tp.topic}")
        await producer.start()
        async with producer.transaction():
            await producer.send_and_wait(tp.topic, b"one", partition=0)
            assert await _stable_end(settings, tp) == 0
            assert await find_hanging(settings, {tp}) == []
        await producer.stop()
        await admin.delete_topics([tp.topic])


async def test_whoever_runs_kafka_ends_what_hangs(kafka_bootstrap: str) -> None:
    settings = Settings(kafka_bootstrap_servers=kafka_bootstrap)
    said: asyncio.Queue[str] = asyncio.Queue()
    async with _hanging(settings) as tp:
        watching = asyncio.create_task(keep_ended(settings, said.put_nowait, look_s=0.1))
        try:
            sentence = await said.get()
            assert tp.topic in sentence
            assert await _stable_end(settings, tp) == 4
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
