"""Pure: the dates of delivery receipts, in the forms that SMSCs write (quirk Q7)."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_ABSOLUTE: Final = re.compile(r"(\d{12})(\d)(\d\d)([+-])", re.ASCII)
"""SMPP 3.4, 7.1.1: YYMMDDhhmmss, tenths, quarter hours, and whether local time is ahead of UTC or behind."""

_NOT_DIGITS: Final = re.compile(r"[-:/ T]", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_QUARTER_HOURS_MAX: Final = 48


def epoch_ms(written: str) -> int | None:
    """Epoch milliseconds of a date of 10, 12 or 14 digits (separators and a closing '+' allowed) or an absolute SMPP
    time; None for anything else. Without a zone it is taken as UTC: receipts do not say whose clock it was."""
    trimmed = written.strip()
    absolute = _ABSOLUTE.fullmatch(trimmed)
    if absolute is None:
        return _parse(_NOT_DIGITS.sub("", trimmed.rstrip("+")))
    quarter_hours = int(absolute[3])
    base = _parse(absolute[1])
    if base is None or quarter_hours > _QUARTER_HOURS_MAX:
        return None
    ahead_ms = quarter_hours * 900_000
    return base + 100 * int(absolute[2]) + (-ahead_ms if absolute[4] == "+" else ahead_ms)


def _parse(digits: str) -> int | None:
    """[CC]YYMMDDhhmm[ss] as UTC."""
    if len(digits) not in (10, 12, 14) or not (digits.isascii() and digits.isdigit()):
        return None
    year = int(digits[:4]) if len(digits) == 14 else 2000 + int(digits[:2])
    rest = digits[4:] if len(digits) == 14 else digits[2:]
    fields = [int(rest[start : start + 2]) for start in range(0, len(rest), 2)]
    try:
        moment = datetime(year, *fields, tzinfo=UTC)  # type: ignore[misc, arg-type] # mypy cannot count a star argument
    except ValueError:
        return None
    return (moment - _EPOCH) // timedelta(milliseconds=1)
