"""Pure: which configuration, and which topics, follow from a new gateway.yaml and what is there."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from schemas.gateway.file import AppliedConfig, Draining, Gateway
from schemas.topics import DEFAULT_PARTITIONS, MT_REQUESTS
from shared.operations.topic_changes import TopicChanges, topic_changes


@dataclass(frozen=True, slots=True)
class Plan:
    """What an apply would make: the record to publish, and the topics that must be there before."""

    config: AppliedConfig
    topics: TopicChanges


def plan_of(
    gateway: Gateway, running: AppliedConfig | None, existing: Mapping[str, int], at_ms: int, *, drop_now: bool
) -> Plan:
    """`existing`: partitions of every topic that is there, by name."""
    partitions = existing.get(MT_REQUESTS, DEFAULT_PARTITIONS)
    config = next_config(gateway, running, at_ms, partitions=partitions, drop_now=drop_now)
    return Plan(config, topic_changes(gateway.connectors, existing))


def next_config(
    gateway: Gateway, running: AppliedConfig | None, at_ms: int, *, partitions: int, drop_now: bool
) -> AppliedConfig:
    """The record to publish: `gateway`, and the connectors that were removed and may still get receipts.

    A connector that was removed is carried until its receipt deadline after the removal; `drop_now` marks all of them,
    those of earlier removals too, as not waiting for receipts. One that is defined again takes up where it was.
    """
    defined = {c.id for c in gateway.connectors}
    draining: list[Draining] = []
    if running is not None:
        removed = [c for c in running.gateway.connectors if c.id not in defined]
        draining = [Draining(connector=c, removed_at_ms=at_ms, now=drop_now) for c in removed]
        carried = [d for d in running.draining if d.connector.id not in defined and at_ms < receipts_until_ms(d)]
        draining += [d.model_copy(update={"now": d.now or drop_now}) for d in carried]
    return AppliedConfig(
        hash=config_hash(gateway, draining),
        applied_at_ms=at_ms,
        gateway=gateway,
        draining=tuple(draining),
        partitions=partitions,
    )


def receipts_until_ms(draining: Draining) -> int:
    """Until when receipts of a removed connector may come."""
    return draining.removed_at_ms + draining.connector.receipt_deadline_s * 1000


def is_over(draining: Draining, at_ms: int) -> bool:
    """Whether nobody waits for its receipts any more."""
    return draining.now or at_ms >= receipts_until_ms(draining)


def config_hash(gateway: Gateway, draining: list[Draining]) -> str:
    """Twelve hex digits that differ when anything differs."""
    parts = [gateway.model_dump(mode="json"), [d.model_dump(mode="json") for d in draining]]
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
