"""Edge: `smsgw send`: one message to `mt.requests`, as any producer would publish it."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.statuses import Status
from schemas.topics import MT_REQUESTS, MT_REQUESTS_OTP, MT_STATUSES
from services.cli.errors import EXIT_FAILED, Invalid
from services.cli.output import console, print_json
from services.cli.runtime import find_runtime, kafka_errors
from shared.kafka.client import connection_options, consuming, partitions_of
from shared.kafka.errors import MissingTopics
from shared.messages.ids import message_id_of
from shared.process.settings import Settings


async def run(fields: Mapping[str, Any], data_dir: Path | None, *, wait_s: float, as_json: bool) -> int:
    """0 when it is published (with `wait_s`: when it was delivered, or submitted where no receipt is wanted)."""
    if fields.get("text") is None and fields.get("data") is None:
        raise Invalid("give a text, or --data")
    settings = find_runtime(data_dir).settings
    request = {name: value for name, value in fields.items() if value is not None}
    async with kafka_errors(settings):
        if not wait_s:
            message_id = await publish(settings, request)
            print_json({"message_id": message_id}) if as_json else console.print(message_id)
            return 0
        async with consuming(settings) as consumer:
            positions = await _seek_to_end_of_statuses(consumer)
            message_id = await publish(settings, request)
            if not as_json:
                console.print(message_id)
            status = await _final_status(consumer, positions, message_id, wait_s)
    return _tell(message_id, status, wait_s, as_json=as_json)


def _tell(message_id: str, status: Status | None, wait_s: float, *, as_json: bool) -> int:
    if as_json:
        print_json({"message_id": message_id, "status": status.to_dict() if status else None})
    elif status is None:
        console.print(f"no final status within {wait_s:g} s; see `smsgw track {message_id}`")
    else:
        about = f" ({status.reason}{f', field {status.field}' if status.field else ''})" if status.reason else ""
        console.print(f"{status.status}{about}", markup=False)
    return 0 if status is not None and status.status in {"delivered", "submitted"} else EXIT_FAILED


async def publish(settings: Settings, request: Mapping[str, Any]) -> str:
    """Publish `request` and return the message_id it has from now on: a function of the record's place and time."""
    topic = MT_REQUESTS_OTP if request.get("lane") == "otp" else MT_REQUESTS
    key = request.get("idempotency_key")
    record_key = f"{request.get('account_id')}:{key}".encode() if key else None
    producer = AIOKafkaProducer(**connection_options(settings), acks="all", enable_idempotence=True)
    try:
        await producer.start()
        if not await producer.partitions_for(topic):
            raise MissingTopics(f"topics are missing: {topic}")
        value = json.dumps(request, ensure_ascii=False).encode("utf-8", "surrogatepass")
        ack = await producer.send_and_wait(topic, value, key=record_key)
    finally:
        await producer.stop()
    return message_id_of(ack.timestamp, topic, ack.partition, ack.offset)


async def _seek_to_end_of_statuses(consumer: AIOKafkaConsumer) -> list[TopicPartition]:
    partitions = await partitions_of(consumer, MT_STATUSES)
    consumer.assign(partitions)
    for tp, end in (await consumer.end_offsets(partitions)).items():
        consumer.seek(tp, end)
    return partitions


async def _final_status(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition], message_id: str, wait_s: float
) -> Status | None:
    key = message_id.encode()
    try:
        async with asyncio.timeout(wait_s):
            while True:
                found = await consumer.getmany(*partitions, timeout_ms=200)
                for record in (r for records in found.values() for r in records if r.key == key):
                    status = Status.from_json(record.value)
                    if status.final:
                        return status
    except TimeoutError:
        return None
