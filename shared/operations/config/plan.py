"""Pure: which configuration, and which topics, follow from a new gateway.yaml and what is there."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from schemas.gateway.file import AppliedConfig, Draining, Gateway, TopicLayout
from schemas.topics import connector_topics
from shared.kafka.topic_layout import FoundTopic
from shared.operations.errors import Refused
from shared.operations.topic_changes import TopicChanges, topic_changes


@dataclass(frozen=True, slots=True)
class Plan:
    """What an apply would make: the record to publish, and the topics that must be there before.

    It holds as long as the hash of what is applied is `expected` (empty: nothing is).
    """

    expected: str
    config: AppliedConfig
    topics: TopicChanges


@dataclass(frozen=True, slots=True)
class ApplyContext:
    """What a plan depends on beside the two configurations.

    `layout`: how topics are laid out; `found`: every topic that is there; `unfinished`: removed connectors of which
    something is left; `by`: who asks, as user@host.
    """

    at_ms: int
    by: str
    layout: TopicLayout
    found: Mapping[str, FoundTopic]
    unfinished: Collection[str] = ()


def plan_of(gateway: Gateway, running: AppliedConfig | None, around: ApplyContext, *, drop_now: bool) -> Plan:
    """What follows from `gateway` where `running` is applied. Raises `Refused`."""
    config = next_config(gateway, running, around, drop_now=drop_now)
    return Plan(running.hash if running else "", config, topic_changes(gateway.connectors, around.layout, around.found))


def next_config(
    gateway: Gateway, running: AppliedConfig | None, around: ApplyContext, *, drop_now: bool
) -> AppliedConfig:
    """The record to publish: `gateway`, and the connectors that were removed and are not finished.

    A connector that was removed is carried until its receipts cannot come any more and nothing of it is left;
    `drop_now` marks all of them, those of earlier removals too, as not waiting for receipts. One that is defined again
    takes up where it was. Raises `Refused` for one whose topics are just being deleted.
    """
    defined = {c.id for c in gateway.connectors}
    draining: list[Draining] = []
    pruning: tuple[str, ...] = ()
    if running is not None:
        removed = [c for c in running.gateway.connectors if c.id not in defined]
        draining = [Draining(connector=c, removed_at_ms=around.at_ms, now=drop_now) for c in removed]
        carried = [d for d in running.draining if d.connector.id not in defined and _is_carried(d, around)]
        draining += [d.model_copy(update={"now": d.now or drop_now}) for d in carried]
        pruning = tuple(name for name in running.pruning if _has_topics(name, around.found))
    if being_pruned := sorted(defined.intersection(pruning)):
        raise Refused(
            f"the topics of connector {being_pruned[0]} are being deleted; nothing applied",
            f"apply again afterwards; where that was broken off, `smsgw topics prune {being_pruned[0]}` finishes it",
        )
    return AppliedConfig(
        hash=config_hash(gateway, draining, pruning, around.layout),
        applied_at_ms=around.at_ms,
        applied_by=around.by,
        gateway=gateway,
        draining=tuple(draining),
        pruning=pruning,
        topics=around.layout,
    )


def _is_carried(draining: Draining, around: ApplyContext) -> bool:
    return around.at_ms < receipts_until_ms(draining) or draining.connector.id in around.unfinished


def _has_topics(connector_id: str, found: Mapping[str, FoundTopic]) -> bool:
    return any(topic.name in found for topic in connector_topics(connector_id, 1))


def begin_pruning(running: AppliedConfig, connector_id: str, at_ms: int, by: str) -> AppliedConfig:
    """`running` without the removed connector, whose topics nobody may use any more: they are about to be deleted."""
    draining = [d for d in running.draining if d.connector.id != connector_id]
    pruning = tuple(dict.fromkeys((*running.pruning, connector_id)))
    return _changed(running, draining, pruning, at_ms, by)


def end_pruning(running: AppliedConfig, connector_id: str, at_ms: int, by: str) -> AppliedConfig:
    """`running` when the topics of the connector are gone."""
    pruning = tuple(name for name in running.pruning if name != connector_id)
    return _changed(running, list(running.draining), pruning, at_ms, by)


def with_layout(running: AppliedConfig, layout: TopicLayout, at_ms: int, by: str) -> AppliedConfig:
    """`running`, of an earlier version, with the layout that its topics have."""
    laid_out = running.model_copy(update={"topics": layout})
    return _changed(laid_out, list(running.draining), running.pruning, at_ms, by)


def _changed(
    running: AppliedConfig, draining: list[Draining], pruning: tuple[str, ...], at_ms: int, by: str
) -> AppliedConfig:
    return running.model_copy(
        update={
            "draining": tuple(draining),
            "pruning": pruning,
            "hash": config_hash(running.gateway, draining, pruning, running.topics),
            "applied_at_ms": at_ms,
            "applied_by": by,
        }
    )


def receipts_until_ms(draining: Draining) -> int:
    """Until when receipts may come for what a removed connector had sent when it was removed."""
    return draining.removed_at_ms + draining.connector.receipt_deadline_s * 1000


def is_over(draining: Draining, at_ms: int) -> bool:
    """Whether nobody waits for those receipts any more."""
    return draining.now or at_ms >= receipts_until_ms(draining)


def config_hash(
    gateway: Gateway, draining: list[Draining], pruning: tuple[str, ...] = (), topics: TopicLayout | None = None
) -> str:
    """Twelve hex digits that differ when anything differs."""
    parts: list[Any] = [gateway.model_dump(mode="json"), [d.model_dump(mode="json") for d in draining]]
    if pruning:  # without it the hash is that of earlier versions
        parts.append(list(pruning))
    if topics is not None:  # likewise
        parts.append({"topics": topics.model_dump(mode="json")})
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
