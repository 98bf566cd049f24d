"""Edge: how everything is: beats, binds and ClickHouse, judged as `smsgw status` does."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import ConsumerRecord

from schemas.connector_states import ConnectorState
from schemas.service_states import CLICKHOUSE_SAYS, KAFKA_SAYS, ServiceState
from schemas.topics import CONNECTOR_STATES, DOORS, EVERY_PROCESS
from shared.operations.beats import Beat, read_beats
from shared.operations.clickhouse_access import clickhouse_problem
from shared.operations.config.apply import read_applied
from shared.operations.kafka_access import kafka_errors
from shared.process.service import STUCK_MS
from shared.process.settings import Settings

NOT_KNOWN: Final = "nothing here says where it is"


@dataclass(frozen=True, slots=True)
class Health:
    """One look. `problems` are sentences; none = healthy. A connector that is not bound is no problem of health."""

    at_ms: int
    """By Kafka's clock, as all times in it."""
    beats: list[Beat]
    binds: list[ConnectorState]
    config_hash: str
    clickhouse: str
    problems: list[str] = field(default_factory=list)

    @property
    def services(self) -> list[ServiceState]:
        """What every live process said last."""
        return [beat.state for beat in self.beats]

    def as_dict(self) -> dict[str, Any]:
        return {
            "healthy": not self.problems,
            "problems": self.problems,
            "config_hash": self.config_hash,
            "clickhouse": self.clickhouse,
            "services": [s.to_dict() for s in self.services],
            "binds": [b.to_dict() for b in self.binds],
        }


def judge(beats: list[Beat], config_hash: str, clickhouse_problem: str) -> list[str]:
    """What keeps the whole from being healthy: every service beats, advances, is ready and has the
    configuration; a door too, where there is one."""
    problems = []
    for name in EVERY_PROCESS:
        mine = [beat for beat in beats if beat.state.service == name]
        if not mine and name not in DOORS:
            problems.append(f"no {name} is running")
        for beat in mine:
            state = beat.state
            who = f"{name} {state.instance}"
            if beat.stuck_ms > STUCK_MS:
                problems.append(f"{who} has not advanced for {beat.stuck_ms // 1000} s")
            elif state.last_error.startswith(KAFKA_SAYS):
                problems.append(f"{who} waits: {state.last_error}")
            elif state.last_error.startswith(CLICKHOUSE_SAYS):
                problems.append(f"{who} waits, {state.lag} events behind: {state.last_error}")
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
        at_ms, beats, binds = await read_states(settings)
        applied = await read_applied(settings)
    live = [beat for beat in beats if beat.fresh]
    current = applied.hash if applied else ""
    problem = await asyncio.to_thread(clickhouse_problem, settings) if ask_clickhouse else ""
    answer = problem or ("ok" if ask_clickhouse else NOT_KNOWN)
    return Health(at_ms, live, binds, current, answer, judge(live, current, problem))


async def read_states(settings: Settings) -> tuple[int, list[Beat], list[ConnectorState]]:
    """Kafka's time, and what every process, and the owner of every bind, said last; in order."""
    binds: dict[bytes, ConnectorState] = {}

    def on_bind(record: ConsumerRecord) -> None:
        binds.pop(record.key or b"", None)
        if record.value is not None:
            binds[record.key or b""] = ConnectorState.from_json(record.value)

    at_ms, beats = await read_beats(settings, {CONNECTOR_STATES: on_bind})
    return at_ms, beats, sorted(binds.values(), key=lambda b: (b.connector_id, b.partition))
