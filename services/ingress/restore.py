"""Edge: what ingress reads before it acts: idempotency keys, and its own output since the last commits.

A record behind the committed offset may have been decided by a predecessor that died before its commit. What it wrote
then lies in mt.submissions* and mt.statuses, no earlier than the last commit (its metadata is the wall clock then) and
no earlier than the record itself.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.topics import MT_STATUSES, MT_SUBMISSIONS, MT_SUBMISSIONS_OTP
from services.ingress.idempotency import KeyStore, restore
from services.ingress.own_output import OwnOutput
from shared.kafka import (
    FatalKafkaError,
    committed_with_metadata,
    connection_options,
    make_consumer,
    partitions_of,
    read_range,
)
from shared.settings import Settings

Progress = Callable[[], None]
"""Called whenever reading has come further."""

MARGIN_MS: Final = 10_000
"""Clocks of ingress processes and brokers may differ by this much."""


@dataclass(frozen=True, slots=True)
class Undecided:
    """A partition with records behind its committed offset: they end at `end`, and what a predecessor made of them
    was written at `since_ms` (wall clock) or later."""

    end: int
    since_ms: int


async def require_log_append_time(settings: Settings, topics: Iterable[str]) -> None:
    """Raise `FatalKafkaError` unless Kafka itself dates the records of `topics`: identity is made of that time."""
    admin = AIOKafkaAdminClient(**connection_options(settings))
    await admin.start()
    try:
        wanted = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
        answers = await admin.describe_configs(wanted)
    finally:
        await admin.close()
    for answer in answers:
        for _code, _message, _kind, topic, entries in answer.resources:
            kinds = {entry[0]: entry[1] for entry in entries}
            if kinds.get("message.timestamp.type") != "LogAppendTime":
                raise FatalKafkaError(
                    f"{topic} has message.timestamp.type={kinds.get('message.timestamp.type')}; ingress needs "
                    "LogAppendTime, because message ids are made of that time: alter the topic's configuration"
                )


async def undecided(
    settings: Settings, group: str, partitions: Iterable[TopicPartition], progress: Progress
) -> dict[TopicPartition, Undecided]:
    """Which of `partitions` have records that `group` has not committed, up to now."""
    committed = await committed_with_metadata(settings, group)
    held = list(partitions)
    consumer = make_consumer(settings)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(held)
    finally:
        await consumer.stop()
    found: dict[TopicPartition, Undecided] = {}
    for tp in held:
        offset, text = committed.get(tp, (None, ""))
        if offset is None or offset < ends[tp]:
            first_ms = await _first_timestamp(settings, tp, offset, ends[tp])
            progress()
            if first_ms is not None:
                commit_ms = int(text) if text.isdigit() else 0
                found[tp] = Undecided(ends[tp], max(commit_ms, first_ms) - MARGIN_MS)
    return found


async def _first_timestamp(settings: Settings, tp: TopicPartition, start: int | None, end: int) -> int | None:
    """When the first record from `start` on was written; None when there is none."""
    async with aclosing(read_range(settings, tp.topic, tp.partition, start, end)) as batches:
        async for batch in batches:
            return int(batch[0].timestamp)
    return None


async def read_keys(
    settings: Settings, topic: str, partition: int, store: KeyStore, start: int | None, progress: Progress
) -> int:
    """Put the keys of one partition, from offset `start` on, into `store`; returns where to go on next time."""
    position = start or 0
    async with aclosing(read_range(settings, topic, partition, start, progress=progress)) as batches:
        async for batch in batches:
            for record in batch:
                restore(store, record.key, record.value)
            position = batch[-1].offset + 1
            await asyncio.sleep(0)  # a long restore must let heartbeats through
    return position


async def read_own_output(settings: Settings, since_ms: int, own: OwnOutput, progress: Progress) -> None:
    """Add to `own` what was written to mt.submissions* and mt.statuses at `since_ms` (wall clock) or later."""
    starts = await _offsets_at(settings, (MT_SUBMISSIONS, MT_SUBMISSIONS_OTP, MT_STATUSES), since_ms)
    await asyncio.gather(*(_read_output(settings, tp, start, own, progress) for tp, start in starts.items()))


async def _read_output(settings: Settings, tp: TopicPartition, start: int, own: OwnOutput, progress: Progress) -> None:
    add = own.add_status if tp.topic == MT_STATUSES else own.add_submission
    async with aclosing(read_range(settings, tp.topic, tp.partition, start, progress=progress)) as batches:
        async for batch in batches:
            for record in batch:
                add(record.value)


async def _offsets_at(settings: Settings, topics: Iterable[str], since_ms: int) -> dict[TopicPartition, int]:
    """The first offset at or after a time, of every partition that has one."""
    consumer = make_consumer(settings)
    await consumer.start()
    try:
        places = dict.fromkeys(await partitions_of(consumer, *topics), max(0, since_ms))
        found = await consumer.offsets_for_times(places)
    finally:
        await consumer.stop()
    return {tp: at.offset for tp, at in found.items() if at is not None}
