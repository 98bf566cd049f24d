"""Edge: how everything is: beats, binds and ClickHouse, judged as `smsgw status` does."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import ConsumerRecord

from schemas.connector_states import ConnectorState
from schemas.service_states import ServiceState
from schemas.topics import CONNECTOR_STATES, EVERY_SERVICE, SERVICE_STATES
from shared.operations.clickhouse_access import clickhouse_problem
from shared.operations.config.apply import read_applied
from shared.operations.kafka_access import kafka_errors, read_tables
from shared.process.clock import now_ms
from shared.process.service import BEAT_FRESH_MS, STUCK_MS
from shared.process.settings import Settings

NOT_KNOWN: Final = "nothing here says where it is"


@dataclass(frozen=True, slots=True)
class Health:
    """One look. `problems` are sentences; none = healthy. A connector that is not bound is no problem of health."""

    at_ms: int
    services: list[ServiceState]
    binds: list[ConnectorState]
    config_hash: str
    clickhouse: str
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {
            "healthy": not self.problems,
            "problems": self.problems,
            "config_hash": self.config_hash,
            "clickhouse": self.clickhouse,
            "services": [s.to_dict() for s in self.services],
            "binds": [b.to_dict() for b in self.binds],
        }


def judge(services: list[ServiceState], config_hash: str, clickhouse_problem: str, at_ms: int) -> list[str]:
    """What keeps the whole from being healthy: every service beats, advances, is ready and has the configuration."""
    problems = []
    for name in EVERY_SERVICE:
        mine = [s for s in services if s.service == name]
        if not mine:
            problems.append(f"no {name} is running")
        for state in mine:
            who = f"{name} {state.instance}"
            if at_ms - state.progress_at_ms > STUCK_MS:
                problems.append(f"{who} has not advanced for {(at_ms - state.progress_at_ms) // 1000} s")
            elif not state.ready:
                problems.append(f"{who} is starting")
            elif state.config_hash != config_hash:
                problems.append(f"{who} has not read configuration {config_hash or '(none)'}")
    if clickhouse_problem:
        problems.append(clickhouse_problem)
    return problems


async def look(settings: Settings, *, ask_clickhouse: bool = True) -> Health:
    """Read the states and ask ClickHouse. Raises `Unreachable`, `NotFound` (no topics)."""
    async with kafka_errors(settings):
        services, binds = await read_states(settings)
        applied = await read_applied(settings)
    at_ms = now_ms()
    live = sorted((s for s in services if at_ms - s.beat_at_ms < BEAT_FRESH_MS), key=lambda s: (s.service, s.instance))
    current = applied.hash if applied else ""
    problem = await asyncio.to_thread(clickhouse_problem, settings) if ask_clickhouse else ""
    answer = problem or ("ok" if ask_clickhouse else NOT_KNOWN)
    return Health(at_ms, live, binds, current, answer, judge(live, current, problem, at_ms))


async def read_states(settings: Settings) -> tuple[list[ServiceState], list[ConnectorState]]:
    """What every process, and the owner of every bind, said last; binds in order."""
    services: dict[bytes, ServiceState] = {}
    binds: dict[bytes, ConnectorState] = {}

    def on_service(record: ConsumerRecord) -> None:
        services.pop(record.key or b"", None)
        if record.value is not None:
            services[record.key or b""] = ServiceState.from_json(record.value)

    def on_bind(record: ConsumerRecord) -> None:
        binds.pop(record.key or b"", None)
        if record.value is not None:
            binds[record.key or b""] = ConnectorState.from_json(record.value)

    await read_tables(settings, {SERVICE_STATES: on_service, CONNECTOR_STATES: on_bind})
    return list(services.values()), sorted(binds.values(), key=lambda b: (b.connector_id, b.partition))
