"""Edge: `smsgw config apply`: topics first, then the whole configuration as one record, then the wait for its use."""

import asyncio
import hashlib
from collections.abc import Callable

import orjson
from aiokafka import ConsumerRecord

from schemas.gateway.connectors.kinds import Connector
from schemas.gateway.file import AppliedConfig, Draining, Gateway
from schemas.service_states import ServiceState
from schemas.topics import CONFIG_GATEWAY, DEFAULT_PARTITIONS, MT_REQUESTS, connector_topics, shared_topics
from services.cli.runtime import ANSWER_S, producing, read_tables
from services.cli.topic_admin import ensure_topics, partition_counts
from shared.kafka.records import Out
from shared.messages.events import EventMaker
from shared.process.clock import now_ms
from shared.process.service import BEAT_FRESH_MS, read_service_states
from shared.process.settings import Settings

CONFIG_KEY = b"gateway"
POLL_S = 0.5


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


async def read_applied(settings: Settings) -> AppliedConfig | None:
    """The configuration that was applied last; None before the first."""
    found: list[AppliedConfig] = []

    def on_record(record: ConsumerRecord) -> None:
        if record.value is not None:
            found.append(AppliedConfig.from_json(record.value))

    await read_tables(settings, {CONFIG_GATEWAY: on_record})
    return found[-1] if found else None


async def create_topics(settings: Settings, connectors: tuple[Connector, ...] = ()) -> list[str]:
    """Every shared topic, and those of `connectors`; returns what was made. Counts of a running cluster are kept."""
    existing = await partition_counts(settings)
    partitions = existing.get(MT_REQUESTS, DEFAULT_PARTITIONS)
    wanted = shared_topics(partitions)
    for connector in connectors:
        wanted += connector_topics(connector.id, connector.max_binds)
    return await ensure_topics(settings, wanted)


async def apply_gateway(settings: Settings, gateway: Gateway, text: str, *, drop_now: bool = False) -> AppliedConfig:
    """Create the topics, publish, and write the event `config_applied` with the file. Returns what is applied now.

    Publishes also when nothing differs: a repeated apply is how a person makes sure.
    """
    await create_topics(settings, gateway.connectors)
    running = await read_applied(settings)
    counts = await partition_counts(settings)
    applied = next_config(gateway, running, now_ms(), partitions=counts[MT_REQUESTS], drop_now=drop_now)
    async with producing(settings) as producer:
        event = EventMaker("cli", "").out(
            "config_applied",
            occurred_at_ms=applied.applied_at_ms,
            identity=(applied.hash,),
            detail=applied_detail(applied, text),
        )
        await producer.send_all([Out(CONFIG_GATEWAY, CONFIG_KEY, applied.to_json()), event])
    return applied


async def forget_drained(settings: Settings, applied: AppliedConfig, connector_id: str) -> AppliedConfig:
    """Publish `applied` without a removed connector that has been drained; returns what is applied now."""
    draining = [d for d in applied.draining if d.connector.id != connector_id]
    changed = {"draining": tuple(draining), "hash": config_hash(applied.gateway, draining), "applied_at_ms": now_ms()}
    forgotten = applied.model_copy(update=changed)
    async with producing(settings) as producer:
        await producer.send_all([Out(CONFIG_GATEWAY, CONFIG_KEY, forgotten.to_json())])
    return forgotten


def applied_detail(applied: AppliedConfig, text: str) -> str:
    """What the event `config_applied` tells, JSON: the file as it was, and the binds that `connector_health` counts."""
    connectors = [{"id": c.id, "max_binds": c.max_binds} for c in applied.gateway.connectors]
    return orjson.dumps({"hash": applied.hash, "connectors": connectors, "file": text}).decode()


async def wait_until_used(
    settings: Settings, config_hash: str, timeout_s: float, waiting: Callable[[list[ServiceState]], None]
) -> list[ServiceState]:
    """Until every live service reports the hash, or the time is over; returns those that do not (empty = all do)."""
    behind: list[ServiceState] = []
    deadline = now_ms() + timeout_s * 1000
    while True:
        at_ms = now_ms()
        async with asyncio.timeout(ANSWER_S):
            states = await read_service_states(settings)
        live = [s for s in states.values() if at_ms - s.beat_at_ms < BEAT_FRESH_MS]
        behind = [s for s in live if s.config_hash != config_hash and s.service != "simulator"]
        if not behind or at_ms >= deadline:
            return behind
        waiting(behind)
        await asyncio.sleep(POLL_S)
