"""Edge: `smsgw keys`: keys of the HTTP door, made here and shown once; what is configured, by hash."""

import re
from pathlib import Path

from schemas.gateway.accounts import KEY_ACCOUNT_PATTERN
from services.cli.output import console, print_json, print_json_lines, table
from services.cli.runtime import find_runtime
from shared.operations.config.apply import read_applied
from shared.operations.errors import Invalid
from shared.operations.keys import listed_keys, new_key


def create(account: str, key_id: str, *, as_json: bool) -> int:
    """Line 1 the key, line 2 what belongs into gateway.yaml. Needs neither Kafka nor the file."""
    for what, value in (("account", account), ("--id", key_id)):
        if re.fullmatch(KEY_ACCOUNT_PATTERN, value) is None:
            raise Invalid(
                f"{what}: {value!r} is no id", f"ids of accounts with keys, and of keys: {KEY_ACCOUNT_PATTERN}"
            )
    key, sha256 = new_key(account)
    if as_json:
        print_json({"account": account, "id": key_id, "key": key, "sha256": sha256})
    else:
        console.print(key)
        console.print(f"api_keys: [{{id: {key_id}, sha256: {sha256}}}]")
    return 0


async def show(account: str, data_dir: Path | None, *, as_json: bool) -> int:
    """The keys of the configuration that is applied; 0, also when there are none."""
    found = listed_keys(await read_applied(find_runtime(data_dir).settings), account)
    if as_json:
        print_json_lines(one.as_dict() for one in found)
    elif not found:
        console.print("no keys; `smsgw keys create ACCOUNT` makes one")
    else:
        cells = [(one.account, one.key_id, one.kept, one.twilio_account) for one in found]
        console.print(table("Keys", ["account", "id", "kept as", "Twilio's account"], cells))
    return 0
