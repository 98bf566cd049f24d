"""Edge: `smsgw track`: the life of one message, from ClickHouse."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from services.cli.errors import EXIT_FAILED, Invalid, Unreachable
from services.cli.health import clickhouse, reason_of
from services.cli.output import console, print_json, span, table
from services.cli.runtime import find_clickhouse
from shared.process.clock import now_ms

POLL_S = 0.3

# A status follows from what else is told of its millisecond, and is shown after it.
_EVENTS = """
SELECT toUnixTimestamp64Milli(occurred_at) AS at_ms, event, service, segment_index, attempt, connector_id, reason,
       detail
FROM sms.events WHERE message_id = {id:UUID}
ORDER BY occurred_at, event = 'status', segment_index, attempt
"""
_STATE = """
SELECT account_id, `to`, sender, country, connector_id, lane, encoding, segments, segments_delivered, attempts, status,
       final, reason, smsc_error, late_status
FROM sms.message_state WHERE message_id = {id:UUID}
"""


async def run(message_id: str, data_dir: Path | None, *, wait_s: float, as_json: bool) -> int:
    """0 when the message is known; 1 when ClickHouse has no event of it within `wait_s`."""
    try:
        wanted = str(uuid.UUID(message_id))
    except ValueError:
        raise Invalid(f"{message_id!r} is no message_id (it has the form of a UUID)") from None
    settings = find_clickhouse(data_dir)
    client = await asyncio.to_thread(clickhouse, settings)
    try:
        found = await _wait_for(client, wanted, wait_s)
    except ClickHouseError as error:
        raise Unreachable(f"ClickHouse at {settings.clickhouse_url}: {reason_of(error)}") from error
    finally:
        client.close()
    if found is None:
        if as_json:
            print_json({"message_id": wanted, "found": False})
        else:
            console.print(f"no event of {wanted} is recorded")
        return EXIT_FAILED
    events, state = found
    if as_json:
        print_json({"message_id": wanted, "found": True, "state": state, "events": events})
    else:
        _print(wanted, events, state)
    return 0


async def _wait_for(
    client: Client, message_id: str, wait_s: float
) -> tuple[list[dict[str, Any]], dict[str, Any]] | None:
    """Its events and its state: as soon as it is final, else what there is when the time is over."""
    deadline = now_ms() + wait_s * 1000
    while True:
        # the state first: what the recorder writes in between is then among the events, and not the other way round
        found = await asyncio.to_thread(client.query, _STATE, parameters={"id": message_id})
        events = await asyncio.to_thread(client.query, _EVENTS, parameters={"id": message_id})
        state = next(iter(found.named_results()), {})
        if (state.get("final") and events.result_rows) or now_ms() >= deadline:
            return (list(events.named_results()), state) if events.result_rows else None
        await asyncio.sleep(POLL_S)


def _print(message_id: str, events: list[dict[str, Any]], state: dict[str, Any]) -> None:
    about = f"{state.get('sender', '')} → {state.get('to', '')} {state.get('country', '')}"
    console.print(f"[bold]{message_id}[/bold]  {about}")
    reason = f" ({state['reason']})" if state.get("reason") else ""
    facts = [
        f"{state.get('status', '')}{reason}",
        "final" if state.get("final") else "open",
        f"{state.get('segments', 0)} segment(s) {state.get('encoding', '')}",
        f"lane {state.get('lane', '')}",
        f"account {state.get('account_id', '')}",
    ]
    console.print(", ".join(facts), markup=False)
    first = events[0]["at_ms"]
    rows = [
        (
            f"+{span(event['at_ms'] - first)}",
            event["event"],
            event["segment_index"] or "",
            event["attempt"] or "",
            event["service"],
            event["connector_id"],
            event["reason"],
            event["detail"],
        )
        for event in events
    ]
    columns = ["after", "event", "segment", "attempt", "service", "connector", "reason", "detail"]
    console.print(table("", columns, rows, right=["after", "segment", "attempt"]))
