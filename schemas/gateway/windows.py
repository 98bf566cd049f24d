"""Pure: windows of the day, by the clock on the wall, as gateway.yaml writes them."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from schemas.gateway.values import Strict, one_or_more


def is_time_zone(name: str) -> bool:
    """Whether this machine knows a time zone of that name (IANA)."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return False
    return True


def _clock(value: object) -> object:
    """21:00 without quotes is 1260 to YAML."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1440:
        return f"{value // 60:02}:{value % 60:02}"
    return value


def _is_named_zone(value: str) -> str:
    if not is_time_zone(value):
        raise ValueError(f"no time zone {value!r} is known; allowed: a name as Europe/Berlin")
    return value


TimeZoneName = Annotated[str, AfterValidator(_is_named_zone)]
ClockTime = Annotated[str, BeforeValidator(_clock), Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Weekday = Literal["mo", "tu", "we", "th", "fr", "sa", "su"]


class DailyWindow(Strict):
    """From a time of the day to another one, on some days of the week."""

    from_: ClockTime = Field(
        alias="from", description='When it begins, inside (`"21:00"`), by the clock on the wall of the time zone'
    )
    to: ClockTime = Field(
        description="When it ends, outside; earlier than `from`: on the next day; equal to it: the whole day"
    )
    days: tuple[Weekday, ...] | None = Field(
        default=None, min_length=1, description="Days on which it begins: mo, tu, we, th, fr, sa, su; all unless given"
    )

    @field_validator("days", mode="before")
    @classmethod
    def _as_days(cls, value: object) -> object:
        return None if value is None else one_or_more(value)
