"""Pure: SMPP times (3.4 section 7.1.1): `YYMMDDhhmmsstnnp` absolute, `YYMMDDhhmmss000R` relative; UTC only.

Relative is the default for validity (Q44): SMSCs disagree about time zones, not about seconds.
"""

from datetime import UTC, datetime, timedelta, timezone
from typing import Final

RELATIVE_MAX_S: Final = 99 * 24 * 3600 + 24 * 3600 - 1
"""What `relative` writes at most: years and months stay 0, because nobody agrees how long a month is."""


def relative(seconds: int) -> str:
    """`000001000000000R` for 86,400. Below 1 becomes 1 (0 would mean the SMSC's default), above the maximum is cut."""
    seconds = min(max(seconds, 1), RELATIVE_MAX_S)
    days, rest = divmod(seconds, 24 * 3600)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"0000{days:02d}{hours:02d}{minutes:02d}{seconds:02d}000R"


def absolute(at_ms: int) -> str:
    """`260131235959900+` with tenths of a second, for epoch milliseconds. Raises ValueError out of 1970-2069."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    if not 1970 <= moment.year < 2070:
        raise ValueError(f"{moment.isoformat()}: two digits do not tell this year")
    return f"{moment:%y%m%d%H%M%S}{moment.microsecond // 100_000}00+"


def parse(text: str, now_ms: int) -> int | None:
    """Epoch milliseconds of an absolute or relative time; None for the empty string and for what is neither.

    Relative times count from `now_ms`, with a month of 30 and a year of 365 days. Absolute times of any zone are read:
    `+` means that the clock is that many quarters of an hour ahead of UTC. Never raises.
    """
    if len(text) != 16 or not (text[:15].isascii() and text[:15].isdigit()):
        return None
    year, month, day, hour, minute, second = (int(text[start : start + 2]) for start in range(0, 12, 2))
    if text[15] == "R":
        days = 365 * year + 30 * month + day
        return now_ms + 1000 * ((days * 24 + hour) * 3600 + minute * 60 + second)
    quarters = int(text[13:15])
    if text[15] not in "+-" or quarters > 48:
        return None
    zone = timezone(timedelta(minutes=15 * quarters * (1 if text[15] == "+" else -1)))
    century = 2000 if year < 70 else 1900
    try:
        moment = datetime(century + year, month, day, hour, minute, second, int(text[12]) * 100_000, tzinfo=zone)
    except ValueError:
        return None
    return round(moment.timestamp() * 1000)
