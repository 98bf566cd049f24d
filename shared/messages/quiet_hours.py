"""Pure: windows of the day, and quiet hours by them: whether a message may go now, and until when that answer holds.

A window is judged by the clock on the wall of its zone: `start` is inside, `end` outside, `start` equal to `end` is the
whole day, and one over midnight belongs to the day on which it begins. So an hour that is missing on a day of daylight
saving is skipped, and a double one counts twice. Several zones: inside in any of them is inside.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Final, NamedTuple, get_args
from zoneinfo import ZoneInfo

from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX

from schemas.gateway.accounts import RECIPIENT, Account, QuietHours
from schemas.gateway.windows import DailyWindow, Weekday, is_time_zone
from schemas.wire import Lane

ALL_DAYS: Final = frozenset(range(7))
AHEAD_DAYS: Final = 9
"""A window is weekly; a day on either side covers zones and daylight saving."""

NEVER_MS: Final = 2**62
"""Later than any validity."""

_UNKNOWN: Final = "Etc/Unknown"
_DAYS: Final = get_args(Weekday)
_DAY: Final = timedelta(days=1)
_MIDNIGHT: Final = time()


class DayWindow(NamedTuple):
    """`days`: those on which it begins, 0 = Monday. Times have no zone."""

    start: time
    end: time
    days: frozenset[int] = ALL_DAYS

    def covers(self, wall: datetime) -> bool:
        """Whether a clock on the wall that shows `wall` is inside."""
        now, today = wall.time(), wall.weekday()
        if self.start == self.end:
            return today in self.days
        if self.start < self.end:
            return self.start <= now < self.end and today in self.days
        return (now >= self.start and today in self.days) or (now < self.end and (today - 1) % 7 in self.days)


def window_of(hours: DailyWindow) -> DayWindow:
    """The window of a configuration."""
    days = ALL_DAYS if hours.days is None else frozenset(map(_DAYS.index, hours.days))
    return DayWindow(time.fromisoformat(hours.from_), time.fromisoformat(hours.to), days)


class WindowAnswer(NamedTuple):
    """`until_ms`: the first moment at which the answer is another one; None where there is none in `AHEAD_DAYS`."""

    inside: bool
    until_ms: int | None


def judge(window: DayWindow, zones: Sequence[str], at_ms: int) -> WindowAnswer:
    """Is it inside the window at `at_ms` (epoch milliseconds) in any of `zones` (IANA names, known ones)?"""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    clocks = [ZoneInfo(name) for name in zones]
    inside = _is_inside(window, clocks, at)
    moments = sorted({moment for clock in clocks for moment in _moments(window, clock, at) if moment > at})
    for moment in moments:
        if _is_inside(window, clocks, moment) != inside:
            return WindowAnswer(inside, round(moment.timestamp() * 1000))
    return WindowAnswer(inside, None)


@lru_cache(maxsize=65_536)
def zones_of(number: str) -> tuple[str, ...]:
    """The time zones of a number (digits, no plus sign) by its longest known prefix; empty where none is known."""
    for length in range(min(len(number), TIMEZONE_LONGEST_PREFIX), 0, -1):
        if found := TIMEZONE_DATA.get(number[:length]):
            return tuple(name for name in found if name != _UNKNOWN and is_time_zone(name))
    return ()


class WindowClock:
    """Answers about windows, each kept for as long as it holds: a judgement costs a tenth of a millisecond and more,
    and there are few windows and zones.
    """

    def __init__(self) -> None:
        self._windows: Final[dict[DailyWindow, DayWindow]] = {}
        self._answers: Final[dict[tuple[DailyWindow, tuple[str, ...]], tuple[int, WindowAnswer]]] = {}

    def judge(self, hours: DailyWindow, zones: tuple[str, ...], at_ms: int) -> WindowAnswer:
        """As `judge`, the function."""
        known = self._answers.get((hours, zones))
        if known is not None:
            since_ms, answer = known
            if since_ms <= at_ms and (answer.until_ms is None or at_ms < answer.until_ms):
                return answer
        window = self._windows.get(hours)
        if window is None:
            window = self._windows[hours] = window_of(hours)
        answer = judge(window, zones, at_ms)
        self._answers[hours, zones] = at_ms, answer
        return answer


class QuietClock:
    """The quiet hours of whatever accounts there are."""

    def __init__(self) -> None:
        self._clock: Final = WindowClock()

    def quiet_until(self, account: Account, lane: Lane, to: str, at_ms: int) -> int | None:
        """Until when a message to `to` waits at `at_ms`; None: it may go. `NEVER_MS`: it is quiet for as long as
        anybody can tell."""
        hours = account.quiet_hours
        if hours is None or lane not in hours.lanes:
            return None
        answer = self._clock.judge(hours, _zones(account, hours, to), at_ms)
        if not answer.inside:
            return None
        return NEVER_MS if answer.until_ms is None else answer.until_ms


def _zones(account: Account, hours: QuietHours, to: str) -> tuple[str, ...]:
    if hours.timezone != RECIPIENT:
        return (hours.timezone,)
    return zones_of(to) or (account.default_timezone or "UTC",)


def _is_inside(window: DayWindow, clocks: Sequence[ZoneInfo], at: datetime) -> bool:
    return any(window.covers(at.astimezone(clock)) for clock in clocks)


def _moments(window: DayWindow, clock: ZoneInfo, at: datetime) -> list[datetime]:
    """The moments of the days ahead at which the answer may change: the wall shows a bound, or it jumps."""
    found: list[datetime] = []
    first = at.astimezone(clock).date() - _DAY
    for number in range(AHEAD_DAYS + 1):
        date = first + number * _DAY
        walls = [datetime.combine(date, bound, clock) for bound in (window.start, window.end, _MIDNIGHT)]
        found += [wall.replace(fold=fold).astimezone(UTC) for wall in walls for fold in (0, 1)]
        noon = datetime.combine(date, time(12), UTC)
        if noon.astimezone(clock).utcoffset() != (noon + _DAY).astimezone(clock).utcoffset():
            found.append(_jump(clock, noon, noon + _DAY))
    return found


def _jump(clock: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The second between two moments from which on the zone's offset is that of the later one."""
    offset = before.astimezone(clock).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        before, after = (middle, after) if middle.astimezone(clock).utcoffset() == offset else (before, middle)
    return after
