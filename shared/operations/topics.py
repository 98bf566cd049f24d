"""Edge: the topics: what there is, what is missing, and what removed connectors left behind."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from schemas.gateway.file import AppliedConfig
from schemas.topics import TOPICS, Topic, connector_topics, dispatch_topic
from shared.kafka.client import administering, consuming
from shared.operations.backlog import backlog_of
from shared.operations.config.apply import create_topics, forget_drained, read_applied, wait_until_used
from shared.operations.config.plan import is_over, receipts_until_ms
from shared.operations.errors import NotFound, Refused
from shared.operations.kafka_access import kafka_errors, no_topics, ranges_of
from shared.operations.spans import span
from shared.operations.topic_creation import partition_counts
from shared.process.clock import now_ms
from shared.process.settings import Settings

FORGET_S: Final = 15.0
"""How long services may take to read that a connector is gone, before its topics go too."""


@dataclass(frozen=True, slots=True)
class TopicStatus:
    """One topic of the cluster. `records`: offsets between its beginning and its end, so transaction markers and
    records that were compacted away count too. The rest is from the registry, and empty where that has no such topic.
    """

    topic: str
    partitions: int
    records: int
    key: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    summary: str


def registered(name: str) -> Topic | None:
    """The registry's entry of a concrete topic; None for dead letters and strangers."""
    if name.endswith(".dlq"):
        return None
    for topic in TOPICS:
        pattern = re.escape(topic.name).replace(re.escape("<connector>"), "[a-z0-9][a-z0-9-]*")
        if re.fullmatch(pattern, name):
            return topic
    return None


async def topic_statuses(settings: Settings) -> list[TopicStatus]:
    """Every topic that exists, in flow order, then the rest. Raises `Unreachable`, `NotFound` (none of ours)."""
    counts = await partition_counts(settings)
    if not any(map(registered, counts)):
        raise no_topics(settings)
    records = await _record_counts(settings, counts)
    order = {topic.name: number for number, topic in enumerate(TOPICS)}

    def place(name: str) -> tuple[int, str]:
        topic = registered(name)
        return (order[topic.name] if topic else len(order)), name

    return [_status(name, counts[name], records[name]) for name in sorted(counts, key=place)]


def _status(name: str, partitions: int, records: int) -> TopicStatus:
    topic = registered(name)
    if topic is None:
        return TopicStatus(name, partitions, records, "", (), (), "dead letters" if name.endswith(".dlq") else "")
    return TopicStatus(name, partitions, records, topic.key, topic.producers, topic.consumers, topic.summary)


async def _record_counts(settings: Settings, topics: Iterable[str]) -> Mapping[str, int]:
    totals = dict.fromkeys(topics, 0)
    async with kafka_errors(settings), consuming(settings) as consumer:
        ranges = await ranges_of(consumer, totals)
    for tp, (start, end) in ranges.items():
        totals[tp.topic] += end - start
    return totals


async def create_missing(settings: Settings) -> list[str]:
    """Create the shared topics, and those of the applied connectors; returns what was made. Raises `Unreachable`."""
    made = await create_topics(settings)
    applied = await read_applied(settings)
    if applied is not None:
        made += await create_topics(settings, applied.gateway.connectors)
    return made


async def removed_connectors(settings: Settings) -> list[str]:
    """Connectors that are not configured, and have topics or are remembered; none where nothing was ever applied.

    Raises `Unreachable`, `NotFound` (no topics).
    """
    applied = await read_applied(settings)
    if applied is None:
        return []
    prefix = dispatch_topic("")
    names = filter(registered, await partition_counts(settings))
    with_topics = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
    remembered = {draining.connector.id for draining in applied.draining}
    return sorted((with_topics | remembered) - {connector.id for connector in applied.gateway.connectors})


async def prune(settings: Settings, connector_id: str) -> list[str]:
    """Delete a removed connector's topics, and forget the connector; returns the topics.

    Raises `Refused` while anything hangs on it, `NotFound` where it has none, `Unreachable`.
    """
    applied = await read_applied(settings)
    if applied is not None:
        _refuse_while_used(applied, connector_id, now_ms())
    names = [topic.name for topic in connector_topics(connector_id, 1)]
    counts = await partition_counts(settings)
    existing = [name for name in names if name in counts]
    remembered = applied is not None and any(d.connector.id == connector_id for d in applied.draining)
    if not existing and not remembered:
        raise NotFound(f"there are no topics of a connector {connector_id}")
    if waiting := (await backlog_of(settings, connector_id)).sentence():
        raise Refused(f"connector {connector_id} still has {waiting}; nothing was deleted")
    if applied is not None and remembered:
        forgotten = await forget_drained(settings, applied, connector_id)
        await wait_until_used(settings, forgotten.hash, FORGET_S)
    if existing:
        async with kafka_errors(settings), administering(settings) as admin:
            await admin.delete_topics(existing)
    return existing


def _refuse_while_used(applied: AppliedConfig, connector_id: str, at_ms: int) -> None:
    if any(c.id == connector_id for c in applied.gateway.connectors):
        raise Refused(f"connector {connector_id} is configured", "remove it and `smsgw config apply`")
    for draining in applied.draining:
        if draining.connector.id == connector_id and not is_over(draining, at_ms):
            left = span(receipts_until_ms(draining) - at_ms)
            raise Refused(
                f"connector {connector_id} waits for receipts for another {left}",
                "`smsgw config apply --now` does without them",
            )
