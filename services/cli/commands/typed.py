"""Pure: what people type: lengths of time, message ids."""

import re
import uuid
from typing import Final

from shared.operations.errors import Invalid

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds_of(since: str) -> int:
    """`90s`, `15m`, `24h`, `7d` in seconds; raises `Invalid`."""
    matched = re.fullmatch(r"(\d{1,6})([smhd])", since)
    if not matched:
        raise Invalid(f"--since: {since!r} is no length of time", "write 90s, 15m, 24h or 7d")
    return int(matched[1]) * _UNITS[matched[2]]


def message_id_of(typed: str) -> str:
    """A message id in canonical form; raises `Invalid`."""
    try:
        return str(uuid.UUID(typed))
    except ValueError:
        raise Invalid(f"{typed!r} is no message_id (it has the form of a UUID)") from None
