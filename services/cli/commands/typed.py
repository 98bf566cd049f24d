"""Pure: what people type: lengths of time, moments, message ids."""

import re
import uuid
from datetime import datetime
from typing import Final

from shared.operations.errors import Invalid

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds_of(since: str) -> int:
    """`90s`, `15m`, `24h`, `7d` in seconds; raises `Invalid`."""
    matched = re.fullmatch(r"(\d{1,6})([smhd])", since)
    if not matched:
        raise Invalid(f"--since: {since!r} is no length of time", "write 90s, 15m, 24h or 7d")
    return int(matched[1]) * _UNITS[matched[2]]


def moment_of(option: str, typed: str, now_s: int) -> int:
    """Epoch seconds of `24h` (ago), or of a date or time (`2026-11-30`, `2026-11-30T14:05`, of this machine's zone
    where it names none); raises `Invalid` that names the option."""
    if matched := re.fullmatch(r"(\d{1,6})([smhd])", typed):
        return now_s - int(matched[1]) * _UNITS[matched[2]]
    try:
        return int(datetime.fromisoformat(typed).timestamp())
    except (ValueError, OverflowError):
        raise Invalid(
            f"{option}: {typed!r} is no moment", "write 15m, 24h or 7d (ago), or 2026-11-30 or 2026-11-30T14:05"
        ) from None


def message_id_of(typed: str) -> str:
    """A message id in canonical form; raises `Invalid`."""
    try:
        return str(uuid.UUID(typed))
    except ValueError:
        raise Invalid(f"{typed!r} is no message_id (it has the form of a UUID)") from None
