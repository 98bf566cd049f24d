"""Edge: `smsgw track`: the life of one message."""

from dataclasses import asdict
from pathlib import Path

from services.cli.commands.typed import message_id_of
from services.cli.errors import EXIT_FAILED
from services.cli.output import console, print_json, styled, table
from services.cli.runtime import find_clickhouse
from shared.operations.errors import NotFound
from shared.operations.spans import span
from shared.operations.track import Life, track


async def run(message_id: str, data_dir: Path | None, *, wait_s: float, as_json: bool) -> int:
    """0 when the message is known; 1 when ClickHouse has no event of it within `wait_s`."""
    wanted = message_id_of(message_id)
    try:
        life = await track(find_clickhouse(data_dir), wanted, wait_s)
    except NotFound as error:
        print_json({"message_id": wanted, "found": False}) if as_json else console.print(str(error))
        return EXIT_FAILED
    if as_json:
        steps = [asdict(step) for step in life.steps]
        print_json({"message_id": wanted, "found": True, "state": life.state, "events": steps})
    else:
        _print(life)
    return 0


def _print(life: Life) -> None:
    state = life.state
    about = f"{state.get('sender', '')} → {state.get('to', '')} {state.get('country', '')}"
    console.print(styled((life.message_id, "bold"), f"  {about}"))
    reason = f" ({state['reason']})" if state.get("reason") else ""
    facts = [
        f"{state.get('status', '')}{reason}",
        "final" if state.get("final") else "open",
        f"{state.get('segments', 0)} segment(s) {state.get('encoding', '')}",
        f"lane {state.get('lane', '')}",
        f"account {state.get('account_id', '')}",
    ]
    console.print(", ".join(facts))
    first = life.steps[0].at_ms
    rows = [
        (
            f"+{span(step.at_ms - first)}",
            step.event,
            step.segment_index or "",
            step.attempt or "",
            step.service,
            step.connector_id,
            step.reason,
            step.detail,
        )
        for step in life.steps
    ]
    columns = ["after", "event", "segment", "attempt", "service", "connector", "reason", "detail"]
    console.print(table("", columns, rows, right=["after", "segment", "attempt"]))
