"""Edge: the connectors: what is configured, bound and waiting."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from schemas.connector_states import ConnectorState
from schemas.gateway.connectors.kinds import Connector
from schemas.topics import MESSAGE_ID_FORMATS
from shared.operations.backlog import waiting_messages
from shared.operations.config.apply import read_applied
from shared.operations.health import read_states
from shared.operations.kafka_access import kafka_errors, read_tables
from shared.process.learned_formats import LearnedFormats
from shared.process.settings import Settings

State = Literal["bound", "not bound", "auth_failed", "draining"]


@dataclass(frozen=True, slots=True)
class ConnectorStatus:
    """One connector. `waiting`: messages in its lanes; `reason`: why binds that should be up are not;
    `message_id_format`: the option, or what was learned."""

    connector_id: str
    provider: str
    address: str
    state: State
    binds_up: int
    binds_max: int
    tps: int
    window: int
    waiting: int
    message_id_format: str
    reason: str


async def connector_statuses(settings: Settings) -> list[ConnectorStatus]:
    """The configured ones in the order of the file, then those that are being drained.

    Raises `Unreachable`, `NotFound` (no topics).
    """
    applied = await read_applied(settings)
    connectors = list(applied.gateway.connectors) if applied else []
    draining = [d.connector for d in applied.draining] if applied else []
    learned = LearnedFormats()
    async with kafka_errors(settings):
        _, _, binds = await read_states(settings)
        await read_tables(settings, {MESSAGE_ID_FORMATS: learned.read})
    waiting = await waiting_messages(settings, [c.id for c in (*connectors, *draining)])
    found = [_status(c, binds, learned, waiting.get(c.id, 0), draining=False) for c in connectors]
    return found + [_status(c, binds, learned, waiting.get(c.id, 0), draining=True) for c in draining]


def _status(
    connector: Connector, binds: Sequence[ConnectorState], learned: LearnedFormats, waiting: int, *, draining: bool
) -> ConnectorStatus:
    mine = [b for b in binds if b.connector_id == connector.id and b.state != "released"]
    up = sum(b.state == "bound" for b in mine)
    reasons = sorted({b.reason for b in mine if b.state != "bound" and b.reason})
    return ConnectorStatus(
        connector.id,
        connector.provider,
        f"{connector.host}:{connector.port}",
        "draining" if draining else _state(up, mine),
        up,
        connector.max_binds,
        connector.tps,
        connector.window,
        waiting,
        _format(connector, learned),
        "; ".join(reasons),
    )


def _format(connector: Connector, learned: LearnedFormats) -> str:
    told = connector.options.message_id_format
    if told != "auto":
        return told
    found = learned.formats.get(connector.provider)
    return "auto: not learned yet" if found is None else f"auto: {found}"


def _state(up: int, binds: Sequence[ConnectorState]) -> State:
    if up:
        return "bound"
    return "auth_failed" if any(b.state == "auth_failed" for b in binds) else "not bound"
