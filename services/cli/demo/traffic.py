"""Edge: real traffic for the demo, the kill tests and the benchmark: publish, follow the statuses, gather evidence."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas.statuses import Status
from schemas.topics import MT_REQUESTS, MT_REQUESTS_OTP, MT_STATUSES
from services.cli.demo.reconcile import Published, Reconciliation, Submit, Told, reconcile
from services.cli.up.stack import DEMO_DIR
from shared.kafka.client import EARLIEST, connection_options, consuming, make_consumer, partitions_of
from shared.kafka.fetch_pace import FetchPace
from shared.kafka.replay import read_range
from shared.messages.ids import message_id_of
from shared.operations.clickhouse_access import clickhouse
from shared.operations.topic_creation import partition_counts
from shared.process.settings import Settings

_SECONDS_FOR_RECORDER = 60
_STATUSES_EVERY_S = 0.1
"""Nobody waits for a single status, and every fetch has a cost of its own, whatever it brings."""
_STORED = """
SELECT toString(message_id), status, final FROM sms.message_state
WHERE accepted_at >= fromUnixTimestamp64Milli({since_ms:Int64})
"""


def read_sample() -> list[dict[str, Any]]:
    """The messages of the sample file (see `services.cli.demo.sample`)."""
    with (DEMO_DIR / "messages.jsonl").open(encoding="utf-8") as lines:
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


def expectation(message_id: str, message: Mapping[str, Any]) -> Published:
    """What must become of a message of the sample that was published under this id."""
    value = message["value"]
    to = None if message.get("wrong") else value["to"].lstrip("+")
    return Published(message_id, to, value.get("receipt", "final"))


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
        try:
            await self._producer.start()
        except BaseException:
            await self.stop()
            raise

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
            self.published.append(expectation(message_id, message))


class StatusFollower:
    """Follows `mt.statuses` from where it stood at the start, ten times a second."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None
        self._moved = asyncio.Condition()
        self.told: list[Told] = []
        self.ended: set[str] = set()

    async def start(self) -> None:
        self._consumer = consumer = make_consumer(self._settings, auto_offset_reset=EARLIEST)
        try:
            await consumer.start()
            partitions = await partitions_of(consumer, MT_STATUSES)
            consumer.assign(partitions)
            for tp, end in (await consumer.end_offsets(partitions)).items():
                consumer.seek(tp, end)
        except BaseException:
            await self.stop()
            raise
        FetchPace(consumer, _STATUSES_EVERY_S)
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
                one = told(record.value)
                self.told.append(one)
                if one.final:
                    self.ended.add(one.message_id)
            if found:
                async with self._moved:
                    self._moved.notify_all()

    async def wait_for(self, message_ids: Iterable[str], timeout_s: float) -> set[str]:
        """Until each of them has a final status; returns those that have none when the time is over."""
        wanted = set(message_ids)
        try:
            async with asyncio.timeout(timeout_s), self._moved:
                await self._moved.wait_for(lambda: wanted <= self.ended)
        except TimeoutError:
            pass
        return wanted - self.ended


def told(value: bytes) -> Told:
    """A record of `mt.statuses` as the reconciliation wants it."""
    status = Status.from_json(value)
    return Told(
        message_id=status.message_id,
        status_id=status.status_id,
        status=status.status,
        final=status.final,
        reason=status.reason,
        segments=status.segments,
        segments_delivered=status.segments_delivered,
        content=hash(value),
        at_ms=status.occurred_at_ms,
    )


def read_submit_log(file: Path) -> list[Submit]:
    """What the simulator accepted. A last line that is cut (it was killed while writing) is left out."""
    return submits_in(file.read_bytes()) if file.exists() else []


def submits_in(lines: bytes) -> list[Submit]:
    """The lines of a piece of the simulator's log that are whole."""
    entries = [json.loads(line) for line in lines.split(b"\n") if line.endswith(b"}")]
    return [Submit(entry["destination_addr"], entry["part"], entry["parts"], entry["at_ms"]) for entry in entries]


def count_submits(file: Path) -> int:
    """How many submit_sm the simulator has accepted so far."""
    return file.read_bytes().count(b"\n") if file.exists() else 0


async def read_stored(settings: Settings, expected: int, since_ms: int = 0) -> dict[str, tuple[str, bool]]:
    """Status and final of every message in ClickHouse that was accepted since then, once the recorder has got to
    `expected` final ones.
    """
    client = await asyncio.to_thread(clickhouse, settings)
    try:
        for _ in range(_SECONDS_FOR_RECORDER * 4):
            rows = await asyncio.to_thread(client.query, _STORED, {"since_ms": since_ms})
            stored = {str(mid): (str(status), bool(final)) for mid, status, final in rows.result_rows}
            if sum(final for _, final in stored.values()) >= expected:
                break
            await asyncio.sleep(0.25)
    finally:
        client.close()
    return stored


async def count_dead_letters(settings: Settings) -> dict[str, int]:
    """How many records lie in each dead-letter topic that has any."""
    counts = {name: count for name, count in (await partition_counts(settings)).items() if name.endswith(".dlq")}
    async with consuming(settings) as consumer:
        partitions = await partitions_of(consumer, *counts)
        consumer.assign(partitions)  # or it asks for their leaders first, and waits a second
        begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    found: Counter[str] = Counter()
    for tp in partitions:
        if begins[tp] < ends[tp]:  # markers of transactions take offsets too
            async with aclosing(read_range(settings, tp.topic, tp.partition)) as batches:
                async for batch in batches:
                    found[tp.topic] += len(batch)
    return dict(found)


async def reconcile_all(
    settings: Settings, publisher: Publisher, follower: StatusFollower, submit_log: Path
) -> Reconciliation:
    """Read the other sources and compare all four."""
    stored = await read_stored(settings, len(follower.ended))
    return reconcile(
        publisher.published,
        (publisher.dead_letters, await count_dead_letters(settings)),
        read_submit_log(submit_log),
        follower.told,
        stored,
    )
