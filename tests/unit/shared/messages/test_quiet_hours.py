"""Quiet hours against a clock that is looked at every minute, on ordinary days and both days of daylight saving."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.messages.quiet_hours import ALL_DAYS, DayWindow, WindowAnswer, judge, zones_of

BERLIN = "Europe/Berlin"
NIGHT = DayWindow(time(21), time(8))
TIMES = st.builds(time, st.integers(0, 23), st.sampled_from((0, 15, 30, 59)))
WINDOWS = st.builds(DayWindow, TIMES, TIMES, st.frozensets(st.integers(0, 6)))
ZONES = st.lists(
    st.sampled_from((BERLIN, "Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC")),
    min_size=1,
    max_size=3,
)
STARTS = st.sampled_from(
    ("2026-03-28T12:00", "2026-10-24T12:00", "2026-03-07T12:00", "2026-04-04T06:00", "2026-07-01T00:00")
)


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("at", "quiet", "until"),
    [
        ("2026-07-01T20:59:59+02:00", False, "2026-07-01T21:00+02:00"),
        ("2026-07-01T21:00+02:00", True, "2026-07-02T08:00+02:00"),
        ("2026-07-02T07:59:59+02:00", True, "2026-07-02T08:00+02:00"),
        ("2026-07-02T08:00+02:00", False, "2026-07-02T21:00+02:00"),
        ("2026-03-28T23:00+01:00", True, "2026-03-29T08:00+02:00"),
        ("2026-10-24T23:00+02:00", True, "2026-10-25T08:00+01:00"),
    ],
)
def test_a_night_in_berlin(at: str, quiet: bool, until: str) -> None:
    assert judge(NIGHT, [BERLIN], ms(at)) == WindowAnswer(quiet, ms(until))


def test_a_missing_hour_is_skipped_and_a_double_one_counts_twice() -> None:
    missing = DayWindow(time(2, 30), time(3, 30))
    assert judge(missing, [BERLIN], ms("2026-03-29T00:00+01:00")).until_ms == ms("2026-03-29T03:00+02:00")
    double = DayWindow(time(1), time(2, 30))
    assert judge(double, [BERLIN], ms("2026-10-25T02:30+02:00")) == WindowAnswer(False, ms("2026-10-25T02:00+01:00"))
    assert judge(double, [BERLIN], ms("2026-10-25T02:00+01:00")) == WindowAnswer(True, ms("2026-10-25T02:30+01:00"))


def test_equal_bounds_are_the_whole_day_and_every_day_never_opens() -> None:
    sunday = DayWindow(time(9), time(9), frozenset({6}))
    assert judge(sunday, [BERLIN], ms("2026-07-05T00:00+02:00")) == WindowAnswer(True, ms("2026-07-06T00:00+02:00"))
    always = DayWindow(time(0), time(0), ALL_DAYS)
    assert judge(always, [BERLIN], ms("2026-07-05T00:00+02:00")) == WindowAnswer(True, None)


def test_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    friday = NIGHT._replace(days=frozenset({4}))
    assert judge(friday, [BERLIN], ms("2026-07-04T03:00+02:00")).inside  # a Saturday
    assert not judge(friday, [BERLIN], ms("2026-07-03T03:00+02:00")).inside


@settings(max_examples=60, deadline=None)
@given(WINDOWS, ZONES, STARTS)
def test_the_answer_holds_as_long_as_it_says_and_no_longer(window: DayWindow, zones: list[str], start: str) -> None:
    at = datetime.fromisoformat(start).replace(tzinfo=UTC)
    found = judge(window, zones, round(at.timestamp() * 1000))
    clocks = [ZoneInfo(name) for name in zones]
    for minute in range(2 * 1440):
        moment = at + timedelta(minutes=minute)
        same = any(window.covers(moment.astimezone(clock)) for clock in clocks) == found.inside
        if found.until_ms is not None and moment.timestamp() * 1000 >= found.until_ms:
            assert moment.timestamp() * 1000 > found.until_ms or not same
            break
        assert same


def test_the_zones_of_a_number() -> None:
    assert zones_of("491701234567") == (BERLIN,)
    assert "Europe/London" in zones_of("447700900123")
    assert zones_of("12125550123") == ("America/New_York",)
    assert zones_of("8816") == () or all("/" in name for name in zones_of("8816"))
