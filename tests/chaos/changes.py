"""Pure: what a change of the configuration is: the file as it was, and the file as it is for a while."""

from copy import deepcopy
from typing import Any, Final

ACCOUNT: Final = "kiosk"
EXTRA: Final = "extra-1"
TURNED: Final = "45"
"""Numbers that a changed route leads elsewhere."""
EXTRA_PREFIX: Final = "46"
"""Numbers that go to the connector which is there for a while, when it is there."""


def changed(gateway: dict[str, Any], change: str) -> dict[str, Any]:
    """gateway.yaml without an account, with a route to another connector, or with one more connector."""
    new = deepcopy(gateway)
    match change:
        case "account":
            new["accounts"] = [account for account in new["accounts"] if account["id"] != ACCOUNT]
        case "route":
            new["routes"].insert(0, {"match": {"prefix": TURNED}, "to": [{"connector": "picky-1"}]})
        case "connector":
            extra = {"id": EXTRA, "provider": "extra", "system_id": "extra", "max_binds": 1}
            new["connectors"].append(new["connectors"][0] | extra)
            new["routes"].insert(0, {"match": {"prefix": EXTRA_PREFIX}, "to": [{"connector": EXTRA}]})
        case _:
            raise ValueError(f"no such change: {change}")
    return new


def binds_allowed(gateway: dict[str, Any]) -> dict[str, int]:
    """How many binds there may be under each system_id, the connector that comes and goes included."""
    connectors = changed(gateway, "connector")["connectors"]
    return {one["system_id"]: one.get("max_binds", 1) for one in connectors}
