"""Edge: `smsgw connectors`: what is configured, bound and waiting."""

from pathlib import Path
from typing import Any

from schemas.topics import SEGMENT_LANES, segments_topic
from services.cli.config_apply import read_applied
from services.cli.health import look
from services.cli.output import console, print_json_lines, table
from services.cli.runtime import find_runtime, kafka_errors
from shared.kafka import committed_with_metadata, make_consumer, partitions_of
from shared.settings import Settings

THROTTLER_GROUP = "throttler"


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


async def waiting_messages(settings: Settings, connector_ids: list[str]) -> dict[str, int]:
    """Messages in the lanes of each connector that the throttler has not taken."""
    committed = await committed_with_metadata(settings, THROTTLER_GROUP)
    consumer = make_consumer(settings)
    await consumer.start()
    try:
        existing = await consumer.topics()
        found: dict[str, int] = {}
        for connector_id in connector_ids:
            names = [n for n in (segments_topic(connector_id, lane) for lane in SEGMENT_LANES) if n in existing]
            partitions = await partitions_of(consumer, *names)
            if not partitions:
                continue
            ends = await consumer.end_offsets(partitions)
            starts = await consumer.beginning_offsets(partitions)
            found[connector_id] = sum(end - max(committed.get(tp, (0, ""))[0], starts[tp]) for tp, end in ends.items())
        return found
    finally:
        await consumer.stop()
