"""Edge: `smsgw config`."""

from datetime import UTC, datetime
from pathlib import Path

import yaml

from services.cli.errors import EXIT_FAILED
from services.cli.gateway_file import read_gateway_file
from services.cli.output import console, print_json, styled
from services.cli.runtime import find_runtime
from shared.operations.config.apply import apply_gateway, read_applied, wait_until_used
from shared.operations.config.gateway_advice import advice
from shared.operations.config.gateway_yaml import parse_gateway

WAIT_S = 30.0


async def apply(
    file: Path, data_dir: Path | None, *, wait: bool, drop_now: bool, expected: str | None, as_json: bool
) -> int:
    """0 when it is applied and in use by every live service; 1 when some do not use it within 30 s.

    Raises `ConfigurationChanged` (1 too) when another configuration than `expected` (the hash; None: what is applied
    when this begins) is applied, or somebody else was faster.
    """
    text = read_gateway_file(file)
    settings = find_runtime(data_dir).settings
    applied = await apply_gateway(settings, parse_gateway(text), text, drop_now=drop_now, expected=expected)
    behind = await wait_until_used(settings, applied.hash, WAIT_S) if wait else []
    waiting = [f"{s.service} {s.instance}" for s in behind]
    draining = [d.connector.id for d in applied.draining]
    warnings = advice(applied.gateway)
    if as_json:
        print_json({"hash": applied.hash, "applied": True, "draining": draining, "not_using_it": waiting,
                    "warnings": warnings})  # fmt: skip
    else:
        console.print(f"configuration {applied.hash} applied: {len(applied.gateway.connectors)} connectors, "
                      f"{len(applied.gateway.accounts)} accounts, {len(applied.gateway.routes)} routes")  # fmt: skip
        for sentence in warnings:
            console.print(styled(("warning:", "yellow"), f" {sentence}"))
        if draining:
            console.print(f"draining: {', '.join(draining)}")
        if waiting:
            console.print(styled((f"not in use yet by {', '.join(waiting)}", "yellow")))
    return EXIT_FAILED if waiting else 0


async def show(data_dir: Path | None, *, as_json: bool) -> int:
    """0 when a configuration is applied; 1 when none ever was."""
    applied = await read_applied(find_runtime(data_dir).settings)
    if applied is None:
        print_json({"applied": False}) if as_json else console.print("no configuration has been applied")
        return EXIT_FAILED
    if as_json:
        print_json({"applied": True, **applied.to_dict()})
        return 0
    who = f" by {applied.applied_by}" if applied.applied_by else ""
    at = datetime.fromtimestamp(applied.applied_at_ms / 1000, UTC).isoformat(sep=" ", timespec="seconds")
    console.print(f"# hash {applied.hash}, applied at {at}{who}", markup=False)
    for draining in applied.draining:
        console.print(f"# draining: {draining.connector.id}")
    plain = applied.gateway.model_dump(mode="json", exclude_defaults=True)
    for line in yaml.safe_dump({"version": 1, **plain}, sort_keys=False).splitlines():
        console.print(line)
    return 0
