"""Edge: `smsgw receipts`: receipts without a message, and how they are joined once more."""

import asyncio
from dataclasses import asdict
from pathlib import Path

from services.cli.commands.typed import seconds_of
from services.cli.output import clock_time, console, print_json, print_json_lines, table
from services.cli.runtime import find_clickhouse, find_runtime
from shared.operations.receipts import read_orphans, replay_receipts


async def orphans(data_dir: Path | None, *, since: str, connector: str, limit: int, as_json: bool) -> int:
    """One row a receipt; 0, also when there is none."""
    seconds = seconds_of(since)
    found = await asyncio.to_thread(read_orphans, find_clickhouse(data_dir), seconds, connector, limit)
    if as_json:
        print_json_lines(asdict(orphan) for orphan in found)
    elif not found:
        console.print("no receipts without a message")
    else:
        columns = ["received", "connector", "smsc id", "status", "error", "from", "why"]
        cells = [
            (clock_time(o.received_at_ms), o.connector_id, o.smsc_message_id, o.status, o.smsc_error,
             str(o.raw.get("source_addr", "")), o.reason)
            for o in found
        ]  # fmt: skip
        console.print(table("Receipts without a message", columns, cells))
    return 0


async def replay(data_dir: Path | None, *, since: str, connector: str, as_json: bool) -> int:
    """0 when all are on their way to the correlator."""
    seconds = seconds_of(since)
    done = await replay_receipts(find_runtime(data_dir).settings, seconds, connector)
    if as_json:
        print_json(asdict(done))
        return 0
    console.print(f"{done.replayed} receipts of {connector} are joined once more")
    if done.without_id:
        console.print(f"{done.without_id} name no id and cannot be")
    return 0
