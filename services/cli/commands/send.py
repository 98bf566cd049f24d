"""Edge: `smsgw send`: one message, and with `--wait` its final status."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.statuses import Status
from services.cli.errors import EXIT_FAILED
from services.cli.output import console, print_json
from services.cli.runtime import find_runtime
from shared.operations.errors import Invalid
from shared.operations.send import final_statuses, publish


async def run(fields: Mapping[str, Any], data_dir: Path | None, *, wait_s: float, as_json: bool) -> int:
    """0 when it is published (with `wait_s`: when it was delivered, or submitted where no receipt is wanted)."""
    if fields.get("text") is None and fields.get("data") is None:
        raise Invalid("give a text, or --data")
    settings = find_runtime(data_dir).settings
    request = {name: value for name, value in fields.items() if value is not None}
    if not wait_s:
        message_id = await publish(settings, request)
        print_json({"message_id": message_id}) if as_json else console.print(message_id)
        return 0
    async with final_statuses(settings) as statuses:
        message_id = await publish(settings, request)
        if not as_json:
            console.print(message_id)
        status = await statuses.wait_for(message_id, wait_s)
    return _tell(message_id, status, wait_s, as_json=as_json)


def _tell(message_id: str, status: Status | None, wait_s: float, *, as_json: bool) -> int:
    if as_json:
        print_json({"message_id": message_id, "status": status.to_dict() if status else None})
    elif status is None:
        console.print(f"no final status within {wait_s:g} s; see `smsgw track {message_id}`")
    else:
        about = f" ({status.reason}{f', field {status.field}' if status.field else ''})" if status.reason else ""
        console.print(f"{status.status}{about}")
    return 0 if status is not None and status.status in {"delivered", "submitted"} else EXIT_FAILED
