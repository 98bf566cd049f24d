"""Edge: how everything is: beats, binds and ClickHouse, judged as `smsgw status` does."""

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import clickhouse_connect
from aiokafka import ConsumerRecord
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

import schemas
from schemas.connector_states import ConnectorState
from schemas.service_states import ServiceState
from schemas.topics import CONNECTOR_STATES, EVERY_SERVICE, SERVICE_STATES
from services.cli.config_apply import read_applied
from services.cli.errors import Unreachable
from services.cli.runtime import read_tables
from shared.process.clock import now_ms
from shared.process.service import BEAT_FRESH_MS, STUCK_MS
from shared.process.settings import ClickHouseSettings, Settings

_OF_THE_SYSTEM = re.compile(r"\[Errno -?\d+\] ([^\'\")]+)")
NOT_KNOWN = "nothing here says where it is"
_MIGRATIONS = Path(schemas.__file__).parent / "clickhouse"
_APPLIED = "SELECT leftPad(toString(number), 4, '0') || '_' || name FROM sms.schema_migrations FINAL"


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
    """Read the states and ask ClickHouse. Raises what Kafka's client raises when it does not answer."""
    services: dict[str, ServiceState] = {}
    binds: dict[str, ConnectorState] = {}

    def on_service(record: ConsumerRecord) -> None:
        key = (record.key or b"").decode()
        if record.value is None:
            services.pop(key, None)
        else:
            services[key] = ServiceState.from_json(record.value)

    def on_bind(record: ConsumerRecord) -> None:
        key = (record.key or b"").decode()
        if record.value is None:
            binds.pop(key, None)
        else:
            binds[key] = ConnectorState.from_json(record.value)

    await read_tables(settings, {SERVICE_STATES: on_service, CONNECTOR_STATES: on_bind})
    applied = await read_applied(settings)
    at_ms = now_ms()
    live = sorted(
        (s for s in services.values() if at_ms - s.beat_at_ms < BEAT_FRESH_MS), key=lambda s: (s.service, s.instance)
    )
    current = applied.hash if applied else ""
    problem = await asyncio.to_thread(clickhouse_problem, settings) if ask_clickhouse else ""
    return Health(
        at_ms,
        live,
        sorted(binds.values(), key=lambda b: (b.connector_id, b.partition)),
        current,
        problem or ("ok" if ask_clickhouse else NOT_KNOWN),
        judge(live, current, problem, at_ms),
    )


def clickhouse(settings: ClickHouseSettings) -> Client:
    """A client; raises `Unreachable`."""
    try:
        return clickhouse_connect.get_client(
            dsn=settings.clickhouse_url,
            username=settings.clickhouse_user,
            password=settings.clickhouse_password,
            autogenerate_session_id=False,
            connect_timeout=3,
        )
    except (ClickHouseError, OSError) as error:
        raise Unreachable(f"ClickHouse at {settings.clickhouse_url} does not answer: {reason_of(error)}") from error


def reason_of(error: Exception) -> str:
    """Why ClickHouse did not answer, without what HTTP libraries wrap around it; else its own first line."""
    text = str(error)
    if found := _OF_THE_SYSTEM.search(text):
        return found[1].lower()
    if "timed out" in text:
        return "no answer in time"
    return (text or repr(error)).splitlines()[0][:300]


def clickhouse_problem(settings: ClickHouseSettings) -> str:
    """Empty when ClickHouse answers and every migration of this version has run."""
    try:
        client = clickhouse(settings)
    except Unreachable as error:
        return str(error).splitlines()[0][:200]
    try:
        applied = {str(name) for (name,) in client.query(_APPLIED).result_rows}
    except ClickHouseError:
        return "the migrations of ClickHouse have not run yet"
    finally:
        client.close()
    missing = [name for name in migrations() if name not in applied]
    return f"migrations of ClickHouse have not run yet: {', '.join(missing)}" if missing else ""


def migrations() -> list[str]:
    """Those of this version, in order, as the recorder calls them: `0001_events`."""
    return sorted(file.stem for file in _MIGRATIONS.glob("*.sql"))
