"""Edge: the topics: what there is, what is missing, and what removed connectors left behind."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from schemas.gateway.file import AppliedConfig, Draining, TopicLayout
from schemas.group_beginnings import beginning_key
from schemas.groups import BINDER_GROUP, THROTTLER_GROUP
from schemas.kafka_prefix import KAFKA_PREFIX
from schemas.topics import (
    CONFIG_GATEWAY,
    CONNECTOR_PATTERN,
    GROUP_BEGINNINGS,
    TOPICS,
    Topic,
    connector_topics,
    dispatch_topic,
    shared_topics,
)
from shared.kafka.client import administering, consuming
from shared.kafka.records import Out
from shared.kafka.topic_layout import Difference, differences
from shared.membership.beginnings import begun_with
from shared.operations.backlog import backlog_of, left_of_removed
from shared.operations.config.apply import create_topics, known_layout, layout_for, read_applied, wait_until_used
from shared.operations.config.compare_and_set import ConfigurationChanged, change_config, who_i_am
from shared.operations.config.plan import begin_pruning, end_pruning, is_over, receipts_until_ms, with_layout
from shared.operations.errors import NotFound, Refused
from shared.operations.kafka_access import kafka_errors, no_topics, producing, ranges_of
from shared.operations.layout_choice import LayoutWish
from shared.operations.spans import span
from shared.operations.topic_creation import describe_topics, min_insync_of, partition_counts
from shared.process.clock import monotonic_s, now_ms
from shared.process.settings import Settings

FORGET_S: Final = 15.0
"""How long services may take to read that a connector is gone, before its topics go too."""

LOOKED_FOR_S: Final = 10.0
"""How old what was read may be when topics are deleted by it."""


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


def is_ours(name: str) -> bool:
    """Whether a concrete topic is one of ours, dead letters included."""
    return registered(name.removesuffix(".dlq")) is not None or (
        name.endswith(".dlq") and name.startswith(KAFKA_PREFIX)
    )


def registered(name: str) -> Topic | None:
    """The registry's entry of a concrete topic; None for dead letters and strangers."""
    if name.endswith(".dlq"):
        return None
    for topic in TOPICS:
        pattern = re.escape(topic.name).replace(re.escape("<connector>"), CONNECTOR_PATTERN)
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


async def create_missing(settings: Settings, wish: LayoutWish) -> list[str]:
    """Create the shared topics, and those of the applied connectors; returns what was made.

    The first time `wish` says how they are laid out; the first configuration has it written. One of an earlier version
    is completed by it. Raises `Refused` where another layout is fixed or topics have another one, `Invalid`,
    `Unreachable`.
    """
    made = await create_topics(settings, wish=wish)
    applied = await read_applied(settings)
    if applied is not None:
        made += await create_topics(settings, applied.gateway.connectors, wish)
        if applied.topics is None:
            layout = await layout_for(settings, await describe_topics(settings), applied, wish)
            await change_config(settings, applied.hash, with_layout(applied, layout, now_ms(), who_i_am()))
    return made


async def layout_differences(settings: Settings) -> tuple[TopicLayout, list[Difference]]:
    """How topics are to be laid out, and what is not so; before the first configuration by `mt.requests` itself.

    Raises `Unreachable`, `NotFound` (no topics).
    """
    found = await describe_topics(settings)
    if CONFIG_GATEWAY not in found:
        raise no_topics(settings)
    applied = await read_applied(settings)
    layout = await known_layout(settings, found, applied)
    if layout is None:
        raise no_topics(settings)
    connectors = applied.gateway.connectors if applied else ()
    listed = differences(layout, connectors, found)
    wanted = [*shared_topics(layout.partitions), *(t for c in connectors for t in connector_topics(c.id, c.max_binds))]
    names = [topic.name for topic in wanted if topic.name in found]
    least = await min_insync_of(settings, names)
    listed += [
        Difference(name, "min_insync", layout.min_insync, least.get(name, 0))
        for name in names
        if least.get(name) != layout.min_insync
    ]
    return layout, listed


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
    remembered = {draining.connector.id for draining in applied.draining} | set(applied.pruning)
    return sorted((with_topics | remembered) - {connector.id for connector in applied.gateway.connectors})


async def prune(settings: Settings, connector_id: str) -> list[str]:
    """Delete a removed connector's topics, and forget the connector; returns the topics.

    While it goes on the configuration says so, and no apply defines that connector again. One that was broken off is
    finished by the next. Raises `Refused` while anything hangs on the connector, or where somebody changes the
    configuration meanwhile (`ConfigurationChanged`; nothing was deleted); `NotFound` where it has no topics;
    `Unreachable`.
    """
    applied = await read_applied(settings)
    if applied is None:
        raise Refused("no configuration was ever applied, so nothing says which connectors were removed")
    _refuse_while_used(applied, connector_id, now_ms())
    counts = await partition_counts(settings)
    existing = [topic.name for topic in connector_topics(connector_id, 1) if topic.name in counts]
    remembered = [d for d in applied.draining if d.connector.id == connector_id]
    if not existing and not remembered and connector_id not in applied.pruning:
        raise NotFound(f"there are no topics of a connector {connector_id}")
    if left := await _left(settings, connector_id, remembered):
        raise Refused(f"connector {connector_id} still has {left}; nothing was deleted")
    marked = begin_pruning(applied, connector_id, now_ms(), who_i_am())
    await change_config(settings, applied.hash, marked)
    if remembered:
        await wait_until_used(settings, marked.hash, FORGET_S)
    if existing:
        await _delete(settings, connector_id, existing)
    await _forget_beginnings(settings, connector_id)
    with suppress(ConfigurationChanged):  # the next change finds that the topics are gone
        await change_config(settings, marked.hash, end_pruning(marked, connector_id, now_ms(), who_i_am()))
    return existing


async def _left(settings: Settings, connector_id: str, remembered: Sequence[Draining]) -> str:
    if remembered:
        return (await left_of_removed(settings, remembered, now_ms())).get(connector_id, "")
    return (await backlog_of(settings, connector_id)).sentence()


async def _delete(settings: Settings, connector_id: str, names: list[str]) -> None:
    """Delete the topics if the configuration says even now that they are to be; not after a sleep."""
    looked_s = monotonic_s()
    applied = await read_applied(settings)
    if applied is None or connector_id not in applied.pruning:
        raise Refused(f"somebody else has pruned connector {connector_id} meanwhile; nothing was deleted here")
    async with kafka_errors(settings), administering(settings) as admin:
        if monotonic_s() - looked_s > LOOKED_FOR_S:
            raise Refused("this process was stopped for too long; nothing was deleted", "prune again")
        await admin.delete_topics(names)


async def _forget_beginnings(settings: Settings, connector_id: str) -> None:
    """The topics are gone, and their offsets with them: where they are made anew, their groups begin anew."""
    gone = {topic.name for topic in connector_topics(connector_id, 1)}
    async with kafka_errors(settings):
        outs = [
            Out(GROUP_BEGINNINGS, beginning_key(group, *tp), None)
            for group in (THROTTLER_GROUP, BINDER_GROUP)
            for tp in await begun_with(settings, group)
            if tp.topic in gone
        ]
        async with producing(settings) as producer:
            await producer.send_all(outs)


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
