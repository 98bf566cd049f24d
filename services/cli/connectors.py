"""Edge: `smsgw connectors`: what is configured, bound and waiting."""

from pathlib import Path
from typing import Any

from services.cli.backlog import waiting_messages
from services.cli.config_apply import read_applied
from services.cli.health import look
from services.cli.output import console, print_json_lines, table
from services.cli.runtime import find_runtime, kafka_errors


async def run(data_dir: Path | None, *, as_json: bool) -> int:
    """One row a connector."""
    settings = find_runtime(data_dir).settings
    async with kafka_errors(settings):
        applied = await read_applied(settings)
        connectors = list(applied.gateway.connectors) if applied else []
        draining = [d.connector for d in applied.draining] if applied else []
        binds = (await look(settings)).binds
        waiting = await waiting_messages(settings, [c.id for c in (*connectors, *draining)])
    rows: list[dict[str, Any]] = []
    for connector in (*connectors, *draining):
        up = [b for b in binds if b.connector_id == connector.id and b.state == "bound"]
        mine = [b for b in binds if b.connector_id == connector.id and b.state != "released"]
        reasons = sorted({b.reason for b in mine if b.state != "bound" and b.reason})
        rows.append(
            {
                "connector_id": connector.id,
                "provider": connector.provider,
                "address": f"{connector.host}:{connector.port}",
                "state": _state(connector in draining, len(up), mine),
                "binds_up": len(up),
                "binds_max": connector.max_binds,
                "tps": connector.tps,
                "window": connector.window,
                "waiting": waiting.get(connector.id, 0),
                "reason": "; ".join(reasons),
            }
        )
    if as_json:
        print_json_lines(rows)
    else:
        columns = ["connector", "provider", "address", "state", "binds", "tps", "window", "waiting", "reason"]
        cells = [
            (r["connector_id"], r["provider"], r["address"], r["state"], f"{r['binds_up']}/{r['binds_max']}", r["tps"],
             r["window"], r["waiting"], r["reason"])
            for r in rows
        ]  # fmt: skip
        console.print(table("Connectors", columns, cells, right=["binds", "tps", "window", "waiting"]))
    return 0


def _state(draining: bool, up: int, binds: list[Any]) -> str:
    if draining:
        return "draining"
    if up:
        return "bound"
    return "auth_failed" if any(b.state == "auth_failed" for b in binds) else "not bound"
