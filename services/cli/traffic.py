"""Edge: real traffic for the demo, the kill tests and the benchmark: publish, follow the statuses, gather evidence."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas.statuses import Status
from schemas.topics import MT_REQUESTS, MT_REQUESTS_OTP, MT_STATUSES, dlq_of
from services.cli.health import clickhouse
from services.cli.reconcile import Final, Published, Reconciliation, Submit, reconcile
from services.cli.stack import DEMO_DIR
from services.cli.topic_admin import partition_counts
from shared.ids import message_id_of
from shared.kafka import EARLIEST, connection_options, make_consumer, partitions_of, read_range
from shared.settings import Settings

_SECONDS_FOR_RECORDER = 60
_STORED = "SELECT toString(message_id), status, final FROM sms.message_state"


def read_sample(file: Path = DEMO_DIR / "messages.jsonl") -> list[dict[str, Any]]:
    """The messages of a sample file (see `services.cli.sample`)."""
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def as_record(message: Mapping[str, Any]) -> tuple[str, bytes, bytes | None]:
    """Topic, value and key of one message of the sample."""
    topic = MT_REQUESTS_OTP if message.get("otp") else MT_REQUESTS
    if "raw" in message:
        return topic, str(message["raw"]).encode(), None
    value = message["value"]
    key = value.get("idempotency_key")
    record_key = f"{value['account_id']}:{key}".encode() if key else None
    return topic, json.dumps(value, ensure_ascii=False).encode(), record_key


class Publisher:
    """A plain aiokafka producer that remembers what it published and what must become of it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self.published: list[Published] = []
        self.dead_letters = 0

    async def start(self) -> None:
        self._producer = AIOKafkaProducer(
            **connection_options(self._settings), acks="all", enable_idempotence=True, linger_ms=5
        )
        await self._producer.start()

    async def stop(self) -> None:
        if self._producer is not None:
            await self._producer.stop()

    async def publish(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Returns when Kafka has acknowledged all of them."""
        if self._producer is None:
            raise RuntimeError("start() comes first")
        acks = []
        for message in messages:
            topic, value, key = as_record(message)
            acks.append(await self._producer.send(topic, value, key=key))
        for message, ack in zip(messages, await asyncio.gather(*acks), strict=True):
            if "raw" in message:
                self.dead_letters += 1
                continue
            message_id = message_id_of(ack.timestamp, ack.topic, ack.partition, ack.offset)
            to = None if message.get("wrong") else message["value"]["to"].lstrip("+")
            self.published.append(Published(message_id, to))


class StatusFollower:
    """Follows `mt.statuses` from where it stood at the start, as an application would."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None
        self._moved = asyncio.Condition()
        self.finals: list[Final] = []
        self.ended: set[str] = set()
        self.words: Counter[str] = Counter()

    async def start(self) -> None:
        consumer = make_consumer(self._settings, auto_offset_reset=EARLIEST)
        await consumer.start()
        partitions = await partitions_of(consumer, MT_STATUSES)
        consumer.assign(partitions)
        for tp, end in (await consumer.end_offsets(partitions)).items():
            consumer.seek(tp, end)
        self._consumer = consumer
        self._task = asyncio.create_task(self._follow(consumer), name="statuses")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._consumer is not None:
            await self._consumer.stop()

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            found = await consumer.getmany(timeout_ms=500)
            for record in (r for records in found.values() for r in records):
                status = Status.from_json(record.value)
                if status.final:
                    self.finals.append(
                        Final(
                            message_id=status.message_id,
                            status_id=status.status_id,
                            status=status.status,
                            reason=status.reason,
                            segments=status.segments,
                            segments_delivered=status.segments_delivered,
                        )
                    )
                    self.ended.add(status.message_id)
                    self.words[status.status] += 1
            if found:
                async with self._moved:
                    self._moved.notify_all()

    async def wait_for(self, message_ids: Iterable[str], timeout_s: float) -> set[str]:
        """Until each of them has a final status; returns those that have none when the time is over."""
        wanted = set(message_ids)
        try:
            async with asyncio.timeout(timeout_s), self._moved:
                while not wanted <= self.ended:
                    await self._moved.wait()
        except TimeoutError:
            pass
        return wanted - self.ended


def read_submit_log(file: Path) -> list[Submit]:
    """What the simulator accepted. A last line that is cut (it was killed while writing) is left out."""
    if not file.exists():
        return []
    found = []
    for line in file.read_bytes().split(b"\n"):
        if line.endswith(b"}"):
            entry = json.loads(line)
            found.append(Submit(entry["destination_addr"], entry["part"], entry["parts"]))
    return found


def count_submits(file: Path) -> int:
    """How many submit_sm the simulator has accepted so far."""
    return file.read_bytes().count(b"\n") if file.exists() else 0


async def read_stored(settings: Settings, expected: int) -> dict[str, tuple[str, bool]]:
    """Status and final of every message in ClickHouse, once the recorder has got to `expected` final ones."""
    client = await asyncio.to_thread(clickhouse, settings)
    try:
        for _ in range(_SECONDS_FOR_RECORDER * 4):
            rows = await asyncio.to_thread(client.query, _STORED)
            stored = {str(mid): (str(status), bool(final)) for mid, status, final in rows.result_rows}
            if sum(final for _, final in stored.values()) >= expected:
                break
            await asyncio.sleep(0.25)
    finally:
        client.close()
    return stored


async def count_dead_letters(settings: Settings) -> int:
    """Records in the dead-letter topics of the public requests."""
    counts = await partition_counts(settings)
    total = 0
    for topic in (dlq_of(MT_REQUESTS), dlq_of(MT_REQUESTS_OTP)):
        for partition in range(counts.get(topic, 0)):
            async for batch in read_range(settings, topic, partition):
                total += len(batch)
    return total


async def reconcile_all(
    settings: Settings, publisher: Publisher, follower: StatusFollower, submit_log: Path
) -> Reconciliation:
    """Read the other sources and compare all four."""
    ended = {final.message_id for final in follower.finals}
    stored = await read_stored(settings, len(ended))
    return reconcile(
        publisher.published,
        (publisher.dead_letters, await count_dead_letters(settings)),
        read_submit_log(submit_log),
        follower.finals,
        stored,
    )
