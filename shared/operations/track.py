"""Edge: the life of one message, from ClickHouse."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from shared.operations.clickhouse_access import clickhouse, clickhouse_errors
from shared.operations.errors import NotFound
from shared.process.clock import monotonic_s
from shared.process.settings import ClickHouseSettings

POLL_S: Final = 0.3

# A status follows from what else is told of its millisecond, and is shown after it.
_EVENTS: Final = """
SELECT toUnixTimestamp64Milli(occurred_at) AS at_ms, event, service, segment_index, attempt, connector_id, reason,
       detail
FROM sms.events WHERE message_id = {id:UUID}
ORDER BY occurred_at, event = 'status', segment_index, attempt
"""
_STATE: Final = """
SELECT account_id, `to`, sender, country, connector_id, lane, encoding, segments, segments_delivered, attempts, status,
       final, reason, smsc_error, late_status
FROM sms.message_state WHERE message_id = {id:UUID}
"""


@dataclass(frozen=True, slots=True)
class LifeStep:
    """One event of a message."""

    at_ms: int
    event: str
    service: str
    segment_index: int
    attempt: int
    connector_id: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Life:
    """A message: `state` has the columns of `message_state`, and is empty before the first status; steps in order."""

    message_id: str
    state: dict[str, Any]
    steps: list[LifeStep]


async def track(settings: ClickHouseSettings, message_id: str, wait_s: float) -> Life:
    """The life of a message (its id in canonical form), as soon as it is final, else what there is after `wait_s`.

    Raises `NotFound` where no event of it is recorded by then, `Unreachable`.
    """
    client = await asyncio.to_thread(clickhouse, settings)
    try:
        with clickhouse_errors(settings):
            return await _wait_for(client, message_id, wait_s)
    finally:
        client.close()


async def _wait_for(client: Client, message_id: str, wait_s: float) -> Life:
    deadline_s = monotonic_s() + wait_s
    while True:
        # the state first: what the recorder writes in between is then among the events, and not the other way round
        found = await asyncio.to_thread(client.query, _STATE, parameters={"id": message_id})
        events = await asyncio.to_thread(client.query, _EVENTS, parameters={"id": message_id})
        state = next(iter(found.named_results()), {})
        steps = [LifeStep(**event) for event in events.named_results()]
        if (state.get("final") and steps) or monotonic_s() >= deadline_s:
            if not steps:
                raise NotFound(f"no event of {message_id} is recorded")
            return Life(message_id, state, steps)
        await asyncio.sleep(POLL_S)
