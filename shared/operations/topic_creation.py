"""Edge: the only place that creates topics (besides tests).

Each question is about all topics at once: with a hundred connectors there are hundreds of them.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin import NewTopic as KafkaTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from schemas.gateway.file import TopicLayout
from schemas.topics import LOG_APPEND_TIME, TIMESTAMP_TYPE, NewTopic
from shared.kafka.client import administering
from shared.kafka.topic_layout import FoundTopic, found_topics
from shared.operations.errors import Refused
from shared.operations.kafka_access import kafka_errors
from shared.operations.topic_changes import TopicChanges
from shared.process.settings import Settings

_EXISTS: Final = 36
_TOO_FEW_BROKERS: Final = 38
"""One has left since they were counted."""
_METADATA_POLL_S: Final = 0.05
_LEADERS_WITHIN_S: Final = 30
MIN_INSYNC: Final = "min.insync.replicas"

_SET_OF_THE_TOPIC: Final = 1
"""Kafka's word for a setting that is the topic's own (DescribeConfigs, `config_source`)."""

CHANGE_TIMEOUT_MS: Final = 30_000
"""Many topics at once take a controller a while; that Kafka answers at all is known by then."""


async def partition_counts(settings: Settings) -> dict[str, int]:
    """Partitions of every topic of the cluster, by name. Raises `Unreachable`."""
    return {name: topic.partitions for name, topic in (await describe_topics(settings)).items()}


async def describe_topics(settings: Settings) -> dict[str, FoundTopic]:
    """Every topic of the cluster, by name. Raises `Unreachable`."""
    async with kafka_errors(settings), administering(settings) as admin:
        return found_topics(await admin.describe_topics())


async def live_brokers(settings: Settings) -> int:
    """How many brokers the cluster has just now. Raises `Unreachable`."""
    async with kafka_errors(settings), administering(settings) as admin:
        return len((await admin.describe_cluster())["brokers"])


async def min_insync_of(settings: Settings, topics: Iterable[str]) -> dict[str, int]:
    """min.insync.replicas of each topic that has it set; the broker's own counts for the others. Raises
    `Unreachable`."""
    async with kafka_errors(settings), administering(settings) as admin:
        own = await _settings_of(admin, topics)
    return {topic: int(values[MIN_INSYNC]) for topic, values in own.items() if MIN_INSYNC in values}


async def make_topics(settings: Settings, changes: TopicChanges) -> None:
    """Returns when every wanted topic has its leaders, also those that were there before. Raises `Unreachable`, and
    `Refused` where too few brokers live."""
    async with kafka_errors(settings), administering(settings, request_timeout_ms=CHANGE_TIMEOUT_MS) as admin:
        if changes.missing:
            await _create(admin, changes.missing, changes.layout)
        if changes.grown:
            await admin.create_partitions({t.name: NewPartitions(t.partitions) for t in changes.grown})
        await _wait_for_leaders(admin, {t.name: t.partitions for t in changes.wanted})
        await _set(admin, [t.name for t in changes.wanted], changes.layout)


async def _create(admin: AIOKafkaAdminClient, topics: Iterable[NewTopic], layout: TopicLayout) -> None:
    own = _of_all(layout)
    wanted = [KafkaTopic(t.name, t.partitions, layout.replication_factor, topic_configs=t.config | own) for t in topics]
    made = await admin.create_topics(wanted)
    for name, code, *rest in made.topic_errors:
        if code == _TOO_FEW_BROKERS:
            raise Refused(
                f"topic {name}: {layout.replication_factor} replicas, and fewer brokers live now; what was made stays",
                "start the others and repeat it",
            )
        if code not in (0, _EXISTS):
            raise for_code(code)(f"topic {name}: {rest[0] if rest else ''}")


def _of_all(layout: TopicLayout) -> dict[str, str]:
    """The settings that every topic has: Kafka dates its records, and acks=all means copies."""
    return {TIMESTAMP_TYPE: LOG_APPEND_TIME, MIN_INSYNC: str(layout.min_insync)}


async def _set(admin: AIOKafkaAdminClient, topics: Iterable[str], layout: TopicLayout) -> None:
    """Set what every topic has, where an earlier version or a person made it otherwise. What else was set stays."""
    wanted = _of_all(layout)
    altered = [
        ConfigResource(ConfigResourceType.TOPIC, topic, configs=own | wanted)
        for topic, own in (await _settings_of(admin, topics)).items()
        if not wanted.items() <= own.items()
    ]
    if not altered:
        return
    for answer in await admin.alter_configs(altered):
        for code, message, _kind, topic in answer.resources:
            if code:
                raise for_code(code)(f"topic {topic}: {message or ''}")


async def _settings_of(admin: AIOKafkaAdminClient, topics: Iterable[str]) -> dict[str, dict[str, str]]:
    """What was set of each topic itself, defaults left out."""
    wanted = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
    if not wanted:
        return {}
    found: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(wanted):
        for _code, _message, _kind, topic, entries in answer.resources:
            found[topic] = {name: value for name, value, _, source, *_ in entries if source == _SET_OF_THE_TOPIC}
    return found


async def _wait_for_leaders(admin: AIOKafkaAdminClient, wanted: Mapping[str, int]) -> None:
    """A topic that was just created is unknown to clients before its partitions have leaders. What the broker still has
    to make then (hundreds of logs take it some seconds), their first requests wait for."""
    try:
        async with asyncio.timeout(_LEADERS_WITHIN_S):
            while not _all_led(await admin.describe_topics(), wanted):  # noqa: ASYNC110  # Kafka tells nobody
                await asyncio.sleep(_METADATA_POLL_S)
    except TimeoutError:
        raise KafkaError("new topics did not get leaders within 30 s") from None


def _all_led(described: Iterable[Mapping[str, Any]], wanted: Mapping[str, int]) -> bool:
    led = {t["topic"]: sum(p["leader"] >= 0 for p in t["partitions"]) for t in described}
    return all(led.get(name, 0) >= partitions for name, partitions in wanted.items())
