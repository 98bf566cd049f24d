"""Edge: `smsgw routes explain`: which way a message would take, and why."""

from dataclasses import asdict, dataclass
from pathlib import Path

from services.cli.commands.config_source import applied_or_file
from services.cli.errors import EXIT_FAILED
from services.cli.output import console, print_json, table
from shared.operations.routes import Explanation, explain


@dataclass(frozen=True, slots=True)
class Asked:
    """The message that is asked about."""

    to: str
    account: str
    lane: str
    sender: str | None


async def run(asked: Asked, config: Path | None, data_dir: Path | None, *, as_json: bool) -> int:
    """0 when it has a way, 1 when it would be rejected."""
    applied = await applied_or_file(config, data_dir)
    found = explain(applied, asked.to, asked.account, asked.lane, asked.sender)
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
    if found.refused:
        console.print(f"rejected: {found.refused}")
    for connector_id, percent in () if found.refused else found.shares.items():
        console.print(f"{connector_id}: {percent:.4g} % of such messages")
