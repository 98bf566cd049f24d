"""Edge: `smsgw status`."""

import asyncio
from pathlib import Path

from services.cli.errors import EXIT_FAILED
from services.cli.output import console, print_json, styled, table
from services.cli.runtime import find_runtime
from shared.operations.errors import NotFound, Unreachable
from shared.operations.health import Health, look
from shared.operations.spans import span
from shared.process.clock import monotonic_s

POLL_S = 0.5


async def run(data_dir: Path | None, *, wait_s: float, as_json: bool) -> int:
    """0 when healthy within `wait_s`; 1 when not; 3 (raised) when Kafka does not answer."""
    health = await _until_healthy(data_dir, wait_s)
    if as_json:
        print_json(health.as_dict())
    else:
        _print(health)
    return EXIT_FAILED if health.problems else 0


async def _until_healthy(data_dir: Path | None, wait_s: float) -> Health:
    deadline_s = monotonic_s() + wait_s
    while True:
        try:
            runtime = find_runtime(data_dir)
            health = await look(runtime.settings, ask_clickhouse=runtime.knows_clickhouse)
        except (Unreachable, NotFound):  # a broker that is just starting, topics that are just being created
            if monotonic_s() >= deadline_s:
                raise
        else:
            if not health.problems or monotonic_s() >= deadline_s:
                return health
        await asyncio.sleep(POLL_S)


def _print(health: Health) -> None:
    rows = [
        (
            s.service,
            s.instance,
            s.pid,
            "ready" if s.ready else "starting",
            len(s.assignment) or "spare",
            s.lag,
            span(beat.age_ms),
            s.config_hash,
            s.last_error,
        )
        for beat in health.beats
        for s in [beat.state]
    ]
    columns = ["service", "instance", "pid", "state", "partitions", "lag", "last beat", "config", "error"]
    console.print(table("Services", columns, rows, right=["pid", "partitions", "lag", "last beat"]))
    binds = [
        (b.connector_id, b.partition, b.state, b.owner, span(max(0, health.at_ms - b.since_ms)), b.reason)
        for b in health.binds
    ]
    if binds:
        console.print()
        console.print(table("Binds", ["connector", "bind", "state", "owner", "for", "reason"], binds))
    console.print()
    console.print(f"ClickHouse: {health.clickhouse}")
    if health.problems:
        console.print(styled(("not healthy:", "red")))
        for problem in health.problems:
            console.print(f"  {problem}")
    else:
        console.print(styled(("healthy", "green")))
