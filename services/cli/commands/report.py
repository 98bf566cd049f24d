"""Edge: `smsgw report`: the numbers of the demo and of any day."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.text import Text

from services.cli.commands.typed import seconds_of
from services.cli.output import console, print_json, table
from services.cli.runtime import find_clickhouse
from shared.operations.report import Report, read_report


async def run(data_dir: Path | None, *, since: str, campaign: str, as_json: bool) -> int:
    """Prints; 0, also when there is nothing to report."""
    seconds = seconds_of(since)
    found = await asyncio.to_thread(read_report, find_clickhouse(data_dir), seconds, campaign)
    if as_json:
        print_json(asdict(found))
    else:
        console.print(render(found))
    return 0


def render(found: Report) -> Group:
    """For people."""
    names = ["connector", "country", "accepted", "segments", "rejected", "submitted", "delivered", "failed", "unknown",
             "open", "p50 ms", "p95 ms", "p99 ms"]  # fmt: skip
    rows = [
        (
            r.connector_id or "(none)", r.country or "?", r.messages - r.rejected, r.segments_sum,
            r.rejected, r.submitted, r.delivered, r.failed, r.unknown, r.pending,
            *map(_number, (r.p50, r.p95, r.p99)),
        )
        for r in found.by_connector
    ]  # fmt: skip
    parts: list[Any] = [table("Messages by connector and country", names, rows, right=names[2:])]
    reasons = [(r.status, r.reason, r.messages) for r in found.reasons]
    if reasons:
        parts += [Text(""), table("Reasons", ["status", "reason", "messages"], reasons, right=["messages"])]
    return Group(*parts)


def _number(value: float | None) -> str:
    return f"{value:.0f}" if value is not None and value == value else ""
