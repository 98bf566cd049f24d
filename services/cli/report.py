"""Edge: `smsgw report`: the numbers of the demo and of any day, from the views that every analyst has."""

import asyncio
import re
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from rich.console import Group
from rich.text import Text

from services.cli.errors import Invalid, Unreachable
from services.cli.health import clickhouse, reason_of
from services.cli.output import console, print_json, table
from services.cli.runtime import find_clickhouse
from shared.process.settings import ClickHouseSettings

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SINCE = "accepted_at >= now64(3) - toIntervalSecond({seconds:UInt32})"

_BY_CONNECTOR = f"""
SELECT connector_id, country, count() AS messages, sum(segments) AS segments_sum,
       countIf(status = 'rejected') AS rejected, countIf(isNotNull(submitted_at)) AS submitted,
       countIf(status = 'delivered') AS delivered,
       countIf(status IN ('undeliverable', 'expired', 'partially_delivered', 'cancelled')) AS failed,
       countIf(status IN ('outcome_unknown', 'receipt_missing')) AS unknown, countIf(NOT final) AS pending,
       quantileExactIf(0.5)(latency_ms, status = 'delivered') AS p50,
       quantileExactIf(0.95)(latency_ms, status = 'delivered') AS p95,
       quantileExactIf(0.99)(latency_ms, status = 'delivered') AS p99
FROM sms.message_state WHERE {_SINCE} GROUP BY connector_id, country ORDER BY connector_id, country
"""  # noqa: S608  # no outside text in it
_REASONS = f"""
SELECT status, reason, count() AS messages FROM sms.message_state
WHERE {_SINCE} AND reason != '' GROUP BY status, reason ORDER BY status, messages DESC
"""  # noqa: S608  # no outside text in it


async def run(data_dir: Path | None, *, since: str, as_json: bool) -> int:
    """Prints; 0, also when there is nothing to report."""
    seconds = seconds_of(since)
    found = await asyncio.to_thread(read_report, find_clickhouse(data_dir), seconds)
    if as_json:
        print_json(found)
    else:
        console.print(render(found))
    return 0


def seconds_of(since: str) -> int:
    """`90s`, `15m`, `24h`, `7d` in seconds; raises `Invalid`."""
    matched = re.fullmatch(r"(\d{1,6})([smhd])", since)
    if not matched:
        raise Invalid(f"--since: {since!r} is no length of time", "write 90s, 15m, 24h or 7d")
    return int(matched[1]) * _UNITS[matched[2]]


def read_report(settings: ClickHouseSettings, seconds: int) -> dict[str, Any]:
    """`by_connector` and `reasons`, each a list of rows. Raises `Unreachable`."""
    client = clickhouse(settings)
    try:
        return {"by_connector": _rows(client, _BY_CONNECTOR, seconds), "reasons": _rows(client, _REASONS, seconds)}
    except ClickHouseError as error:
        raise Unreachable(f"ClickHouse at {settings.clickhouse_url}: {reason_of(error)}") from error
    finally:
        client.close()


def _rows(client: Client, sql: str, seconds: int) -> list[dict[str, Any]]:
    return [dict(row) for row in client.query(sql, parameters={"seconds": seconds}).named_results()]


def render(found: dict[str, Any]) -> Group:
    """For people."""
    names = ["connector", "country", "accepted", "segments", "rejected", "submitted", "delivered", "failed", "unknown",
             "open", "p50 ms", "p95 ms", "p99 ms"]  # fmt: skip
    rows = [
        (
            r["connector_id"] or "(none)", r["country"] or "?", r["messages"] - r["rejected"], r["segments_sum"],
            r["rejected"], r["submitted"], r["delivered"], r["failed"], r["unknown"], r["pending"],
            *(_number(r[p]) for p in ("p50", "p95", "p99")),
        )
        for r in found["by_connector"]
    ]  # fmt: skip
    parts: list[Any] = [table("Messages by connector and country", names, rows, right=names[2:])]
    reasons = [(r["status"], r["reason"], r["messages"]) for r in found["reasons"]]
    if reasons:
        parts += [Text(""), table("Reasons", ["status", "reason", "messages"], reasons, right=["messages"])]
    return Group(*parts)


def _number(value: Any) -> str:
    return f"{value:.0f}" if value is not None and value == value else ""
