"""Edge: one message to `mt.requests`, as any producer would publish it, and its final status."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.statuses import Status
from schemas.topics import MT_REQUESTS, MT_REQUESTS_OTP, MT_STATUSES
from shared.kafka.client import connection_options, consuming, partitions_of
from shared.kafka.errors import MissingTopics
from shared.messages.ids import message_id_of
from shared.operations.kafka_access import kafka_errors
from shared.process.settings import Settings


async def publish(settings: Settings, request: Mapping[str, Any]) -> str:
    """Publish `request` and return the message_id it has from now on: a function of the record's place and time.

    Raises `Unreachable`, `NotFound` (no topics).
    """
    topic = MT_REQUESTS_OTP if request.get("lane") == "otp" else MT_REQUESTS
    key = request.get("idempotency_key")
    record_key = f"{request.get('account_id')}:{key}".encode() if key else None
    producer = AIOKafkaProducer(**connection_options(settings), acks="all", enable_idempotence=True)
    async with kafka_errors(settings):
        try:
            await producer.start()
            if not await producer.partitions_for(topic):
                raise MissingTopics(f"topics are missing: {topic}")
            value = json.dumps(request, ensure_ascii=False).encode("utf-8", "surrogatepass")
            ack = await producer.send_and_wait(topic, value, key=record_key)
        finally:
            await producer.stop()
    return message_id_of(ack.timestamp, topic, ack.partition, ack.offset)


class FinalStatuses:
    """The statuses that are written from now on; see `final_statuses`."""

    def __init__(self, settings: Settings, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
        self._settings = settings
        self._consumer = consumer
        self._partitions = partitions

    async def wait_for(self, message_id: str, wait_s: float) -> Status | None:
        """The final status of a message; None when it has none within `wait_s`. Raises `Unreachable`."""
        async with kafka_errors(self._settings):
            try:
                async with asyncio.timeout(wait_s):
                    return await self._final(message_id.encode())
            except TimeoutError:
                return None

    async def _final(self, key: bytes) -> Status:
        while True:
            found = await self._consumer.getmany(*self._partitions, timeout_ms=200)
            for record in (r for records in found.values() for r in records if r.key == key):
                status = Status.from_json(record.value)
                if status.final:
                    return status


@asynccontextmanager
async def final_statuses(settings: Settings) -> AsyncIterator[FinalStatuses]:
    """The statuses from now on. Enter it before the message is published whose status is wanted. Raises `Unreachable`,
    `NotFound` (no topics).
    """
    async with kafka_errors(settings), consuming(settings) as consumer:
        partitions = await partitions_of(consumer, MT_STATUSES)
        consumer.assign(partitions)
        for tp, end in (await consumer.end_offsets(partitions)).items():
            consumer.seek(tp, end)
        yield FinalStatuses(settings, consumer, partitions)
