"""Edge: `smsgw report inbound`: messages from handsets, by number."""

import asyncio
from dataclasses import asdict
from pathlib import Path

from services.cli.commands.typed import seconds_of
from services.cli.output import console, print_json_lines, table
from services.cli.runtime import find_clickhouse
from shared.operations.report import read_inbound_numbers


async def run(data_dir: Path | None, *, since: str, unclaimed: bool, as_json: bool) -> int:
    """Prints; 0, also when there is nothing to report."""
    seconds = seconds_of(since)
    found = await asyncio.to_thread(read_inbound_numbers, find_clickhouse(data_dir), seconds, unclaimed=unclaimed)
    if as_json:
        print_json_lines(asdict(row) for row in found)
        return 0
    columns = ["number", "connector", "account", "messages", "handsets", "last"]
    cells = [
        (r.to, r.connector_id, r.account_id or "(nobody)", r.messages, r.handsets, r.last_at.isoformat(sep=" "))
        for r in found
    ]
    console.print(table("Messages from handsets", columns, cells, right=["messages", "handsets"]))
    return 0
