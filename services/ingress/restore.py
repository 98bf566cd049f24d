"""Edge: what ingress reads before it acts: idempotency keys, and its own output since the last commits."""

import asyncio
from collections.abc import Iterable
from contextlib import aclosing

from aiokafka import ConsumerRecord
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.topics import MT_SCHEDULED, MT_STATUSES, MT_SUBMISSIONS, MT_SUBMISSIONS_OTP
from services.ingress.own_output import DecidedByIngress
from shared.kafka.client import administering
from shared.kafka.errors import FatalKafkaError
from shared.kafka.replay import read_range
from shared.membership.replay_guard import Progress, read_since
from shared.messages.idempotency import KeyStore, restore
from shared.process.settings import Settings


async def require_log_append_time(settings: Settings, topics: Iterable[str]) -> None:
    """Raise `FatalKafkaError` unless Kafka itself dates the records of `topics`: identity is made of that time."""
    wanted = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
    async with administering(settings) as admin:
        answers = await admin.describe_configs(wanted)
    for answer in answers:
        for _code, _message, _kind, topic, entries in answer.resources:
            kinds = {entry[0]: entry[1] for entry in entries}
            if kinds.get("message.timestamp.type") != "LogAppendTime":
                raise FatalKafkaError(
                    f"{topic} has message.timestamp.type={kinds.get('message.timestamp.type')}; ingress needs "
                    "LogAppendTime, because message ids are made of that time: alter the topic's configuration"
                )


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


async def read_own_output(
    settings: Settings, requests: str, since_ms: int, own: DecidedByIngress, progress: Progress
) -> None:
    """Add to `own` what was appended at `since_ms` (Kafka's time) or later to mt.submissions*, mt.scheduled, and
    mt.statuses, and, as copies that were moved, to `requests`, the topic of the flow itself.
    """

    def take(record: ConsumerRecord) -> None:
        if record.topic == requests:
            own.add_request(record)
        else:
            values.get(record.topic, own.add_submission)(record.value)

    values = {MT_STATUSES: own.add_status, MT_SCHEDULED: own.add_scheduled}
    topics = (MT_SUBMISSIONS, MT_SUBMISSIONS_OTP, MT_SCHEDULED, MT_STATUSES, requests)
    await read_since(settings, topics, since_ms, take, progress)
