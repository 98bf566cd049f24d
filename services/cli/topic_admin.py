"""Edge: the only place that creates topics (besides tests)."""

import asyncio
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import NewPartitions
from aiokafka.admin import NewTopic as KafkaTopic
from aiokafka.errors import KafkaError, for_code

from schemas.topics import NewTopic
from shared.kafka import seam
from shared.kafka.client import administering, consuming
from shared.process.settings import Settings

_EXISTS = 36
_METADATA_POLL_S = 0.05
_COPIES = 3
"""Replicas of a topic, where the cluster has that many brokers."""


CHANGE_TIMEOUT_MS = 30_000
"""Many topics at once take a controller a while; that Kafka answers at all is known by then."""


async def partition_counts(settings: Settings) -> dict[str, int]:
    """Partitions of every topic of the cluster, by name."""
    async with administering(settings) as admin:
        described = await admin.describe_topics()
    return {t["topic"]: len(t["partitions"]) for t in described if not t.get("is_internal")}


async def ensure_topics(settings: Settings, wanted: Iterable[NewTopic]) -> list[str]:
    """Create what is missing and add partitions where a connector got more binds; returns what was created or grown.

    Never makes a topic smaller: partitions that are too many stay, unused. Returns when every topic has a leader.
    """
    topics = list(wanted)
    existing = await partition_counts(settings)
    missing = [t for t in topics if t.name not in existing]
    grown = {t.name: t.partitions for t in topics if existing.get(t.name, t.partitions) < t.partitions}
    async with administering(settings, request_timeout_ms=CHANGE_TIMEOUT_MS) as admin:
        if missing:
            copies = min(_COPIES, len((await admin.describe_cluster())["brokers"]))
            made = await admin.create_topics(
                [KafkaTopic(t.name, t.partitions, copies, topic_configs=t.config) for t in missing]
            )
            for name, code, *rest in made.topic_errors:
                if code not in (0, _EXISTS):
                    raise for_code(code)(f"topic {name}: {rest[0] if rest else ''}")
        if grown:
            await admin.create_partitions({name: NewPartitions(count) for name, count in grown.items()})
    await _wait_for_leaders(settings, topics)
    return [t.name for t in missing] + list(grown)


async def _led_partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    return (await seam.led_partitions(consumer)).get(topic, set())


async def _wait_for_leaders(settings: Settings, topics: list[NewTopic]) -> None:
    """A topic that was just created cannot be produced to before its partitions have leaders."""
    async with consuming(settings) as consumer:
        try:
            async with asyncio.timeout(30):
                for topic in topics:
                    while len(await _led_partitions(consumer, topic.name)) < topic.partitions:  # noqa: ASYNC110
                        await asyncio.sleep(_METADATA_POLL_S)
        except TimeoutError:
            raise KafkaError("new topics did not get leaders within 30 s") from None
