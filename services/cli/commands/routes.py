"""Edge: `smsgw routes explain`: which way a message would take, and why."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from schemas.requests import rfc3339_ms
from services.cli.commands.config_source import applied_or_file
from services.cli.errors import EXIT_FAILED
from services.cli.output import console, print_json, table
from shared.operations.errors import Invalid
from shared.operations.routes import Explanation, explain
from shared.process.clock import now_ms


@dataclass(frozen=True, slots=True)
class Asked:
    """The message that is asked about."""

    to: str
    account: str
    lane: str
    sender: str | None
    at: str | None = None
    """When it would go; RFC 3339, now unless given."""


async def run(asked: Asked, config: Path | None, data_dir: Path | None, *, as_json: bool) -> int:
    """0 when it has a way, 1 when it would be rejected."""
    applied = await applied_or_file(config, data_dir)
    at_ms = now_ms() if asked.at is None else rfc3339_ms(asked.at)
    if at_ms is None:
        raise Invalid(f"--at: {asked.at!r} is no RFC 3339 time with a zone, as 2026-07-01T12:00:00Z is one")
    found = explain(applied, asked.to, asked.account, asked.lane, asked.sender, at_ms)
    if as_json:
        print_json(asdict(found))
    else:
        _show(found)
    return EXIT_FAILED if found.refused else 0


def _show(found: Explanation) -> None:
    cells = [
        (
            str(route.number),
            "chosen" if route.chosen else "an earlier one matches" if route.matches else "; ".join(route.why),
            route.policy,
            ", ".join(route.to),
        )
        for route in found.routes
    ]
    title = f"{found.to}, country {found.country or 'unknown'}, from {found.sender or 'nobody'}"
    console.print(table(title, ["route", "why", "policy", "to"], cells))
    if found.waits_for:
        console.print(f"waits for the end of {found.waits_for}: {_time(found.goes_at_ms) or 'they never end'}")
    if found.refused:
        console.print(f"rejected: {found.refused}")
    for connector_id, percent in () if found.refused else found.shares.items():
        console.print(f"{connector_id}: {percent:.4g} % of such messages")


def _time(at_ms: int) -> str:
    """As it is written in a request; empty for 0."""
    if not at_ms:
        return ""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
