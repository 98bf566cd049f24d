"""Edge: `smsgw config apply`: topics first, then the whole configuration as one record (by compare-and-set, see
`compare_and_set.py`), then the wait for its use."""

import asyncio
from collections.abc import Mapping
from typing import Final

import orjson
from aiokafka import ConsumerRecord

from schemas.gateway.connectors.kinds import Connector
from schemas.gateway.file import AppliedConfig, Gateway, TopicLayout
from schemas.service_states import ServiceState
from schemas.topics import CONFIG_GATEWAY, MT_REQUESTS, SERVICE_STATES
from shared.kafka.topic_layout import FoundTopic, differences, forbidding, in_one_sentence
from shared.messages.events import EventMaker
from shared.operations.backlog import left_of_removed
from shared.operations.beats import kafka_time_ms, read_beats
from shared.operations.config.compare_and_set import change_config, changed_by_other, who_i_am
from shared.operations.config.plan import ApplyContext, Plan, plan_of, receipts_until_ms
from shared.operations.errors import Refused
from shared.operations.kafka_access import kafka_errors, read_tables
from shared.operations.layout_choice import CHECK, LayoutWish, check_wish, first_layout, layout_found
from shared.operations.topic_changes import topic_changes
from shared.operations.topic_creation import describe_topics, live_brokers, make_topics, min_insync_of
from shared.process.clock import monotonic_s, now_ms
from shared.process.settings import Settings

POLL_S: Final = 0.5
NO_WISH: Final = LayoutWish()


async def read_applied(settings: Settings) -> AppliedConfig | None:
    """The configuration that was applied last; None before the first. Raises `Unreachable`, `NotFound` (no topics)."""
    found: list[AppliedConfig] = []

    def on_record(record: ConsumerRecord) -> None:
        if record.value is not None:
            found.append(AppliedConfig.from_json(record.value))

    async with kafka_errors(settings):
        await read_tables(settings, {CONFIG_GATEWAY: on_record})
    return found[-1] if found else None


async def create_topics(
    settings: Settings, connectors: tuple[Connector, ...] = (), wish: LayoutWish = NO_WISH
) -> list[str]:
    """Every shared topic, and those of `connectors`; returns what was made. The first time `wish` says how they are
    laid out. Raises `Refused` where that is fixed already, or topics are otherwise; `Invalid`, `Unreachable`."""
    found = await describe_topics(settings)
    layout = await layout_for(settings, found, await _running(settings, found), wish)
    changes = topic_changes(connectors, layout, found)
    await make_topics(settings, changes)
    return changes.names


async def _running(settings: Settings, found: Mapping[str, FoundTopic]) -> AppliedConfig | None:
    return await read_applied(settings) if CONFIG_GATEWAY in found else None


async def known_layout(
    settings: Settings, found: Mapping[str, FoundTopic], running: AppliedConfig | None, wish: LayoutWish = NO_WISH
) -> TopicLayout | None:
    """As it is written, else as `mt.requests` has it; None where that is not there. Raises `Invalid`, `Unreachable`."""
    if running is not None and running.topics is not None:
        return running.topics
    if MT_REQUESTS not in found:
        return None
    wish.check()
    least = await min_insync_of(settings, [MT_REQUESTS])
    return layout_found(found[MT_REQUESTS], least.get(MT_REQUESTS), wish)


async def layout_for(
    settings: Settings, found: Mapping[str, FoundTopic], running: AppliedConfig | None, wish: LayoutWish = NO_WISH
) -> TopicLayout:
    """The layout of all that is created. Raises `Refused` where shared topics that are there have another one, or
    another one is wished; `Invalid`, `Unreachable`."""
    layout = await known_layout(settings, found, running, wish)
    if layout is None:
        return first_layout(wish, await live_brokers(settings))
    check_wish(wish, layout)
    if wrong := forbidding(differences(layout, (), found)):
        raise Refused(f"{in_one_sentence(wrong)}; nothing was made", CHECK)
    return layout


async def plan_apply(settings: Settings, gateway: Gateway, *, drop_now: bool = False) -> Plan:
    """What `apply_gateway` would make now. Raises `Refused`, `Unreachable`."""
    found = await describe_topics(settings)
    running = await _running(settings, found)
    layout = await layout_for(settings, found, running)
    async with kafka_errors(settings):
        at_ms = await kafka_time_ms(settings) if SERVICE_STATES in found else now_ms()
    overdue = [d for d in running.draining if at_ms >= receipts_until_ms(d)] if running else []
    left = await left_of_removed(settings, overdue, at_ms)
    return plan_of(gateway, running, ApplyContext(at_ms, who_i_am(), layout, found, left), drop_now=drop_now)


async def apply_gateway(
    settings: Settings, gateway: Gateway, text: str, *, drop_now: bool = False, expected: str | None = None
) -> AppliedConfig:
    """Create the topics, publish, and write the event `config_applied` with the file. Returns what is applied now.

    Publishes also when nothing differs: a repeated apply is how a person makes sure. `expected` is the hash that must
    be applied before (None: the one that is, when this begins). Raises `ConfigurationChanged` where another one is, or
    somebody applies meanwhile; `Refused` while topics of a connector of it are being deleted; `Unreachable`.
    """
    plan = await plan_apply(settings, gateway, drop_now=drop_now)
    if expected is not None and plan.expected != expected:
        raise changed_by_other(expected, await read_applied(settings))
    await make_topics(settings, plan.topics)
    event = EventMaker("cli", "").out(
        "config_applied",
        occurred_at_ms=plan.config.applied_at_ms,
        identity=(plan.config.hash,),
        detail=applied_detail(plan.config, text),
    )
    await change_config(settings, plan.expected, plan.config, [event])
    return plan.config


def applied_detail(applied: AppliedConfig, text: str) -> str:
    """What the event `config_applied` tells, JSON: the file as it was, and the binds that `connector_health` counts."""
    connectors = [{"id": c.id, "max_binds": c.max_binds} for c in applied.gateway.connectors]
    return orjson.dumps({"hash": applied.hash, "connectors": connectors, "file": text}).decode()


async def wait_until_used(settings: Settings, config_hash: str, timeout_s: float) -> list[ServiceState]:
    """Until every live service reports the hash, or the time is over; returns those that do not (empty = all do).

    Raises `Unreachable`.
    """
    deadline_s = monotonic_s() + timeout_s
    while True:
        asked_s = monotonic_s()
        async with kafka_errors(settings):
            _, beats = await read_beats(settings)
        live = [beat.state for beat in beats if beat.fresh]
        behind = [s for s in live if s.config_hash != config_hash and s.service != "simulator"]
        if not behind or asked_s >= deadline_s:
            return behind
        await asyncio.sleep(POLL_S)
