"""Edge: `smsgw connectors`: what is configured, bound and waiting."""

from dataclasses import asdict
from pathlib import Path

from services.cli.output import console, print_json_lines, table
from services.cli.runtime import find_runtime
from shared.operations.connectors import connector_statuses


async def run(data_dir: Path | None, *, as_json: bool) -> int:
    """One row a connector."""
    found = await connector_statuses(find_runtime(data_dir).settings)
    if as_json:
        print_json_lines(asdict(one) for one in found)
        return 0
    columns = [
        "connector",
        "provider",
        "address",
        "state",
        "binds",
        "tps",
        "window",
        "waiting",
        "message ids",
        "reason",
    ]
    cells = [
        (c.connector_id, c.provider, c.address, c.state, f"{c.binds_up}/{c.binds_max}", c.tps, c.window, c.waiting,
         c.message_id_format, c.reason)
        for c in found
    ]  # fmt: skip
    console.print(table("Connectors", columns, cells, right=["binds", "tps", "window", "waiting"]))
    return 0
