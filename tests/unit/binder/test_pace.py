"""Pure: the last rate gate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.binder.submit.pace import LATENESS_NS, Pace

SECOND_NS = 1_000_000_000


def times_with_work(spacing_us: int, lateness: list[int], duration_ns: int) -> list[int]:
    """When a bind that always has work writes, with timers late by the given amounts in turn."""
    pace, now, times, turn = Pace(), 0, [], 0
    while now < duration_ns:
        wait = pace.wait_ns(spacing_us, now)
        if wait:
            now += wait + lateness[turn % len(lateness)]
            turn += 1
            continue
        pace.went(spacing_us, now)
        times.append(now)
    return times


def most_in_a_second(times: list[int]) -> int:
    start = most = 0
    for end, at in enumerate(times):
        while times[start] < at - SECOND_NS:
            start += 1
        most = max(most, end - start + 1)
    return most


@pytest.mark.parametrize("rate", [1, 7, 50, 200, 1000, 2500, 10_000])
def test_at_most_the_rate_in_any_second_and_nearly_all_of_it(rate: int) -> None:
    spacing_us = -(-1_000_000 // rate)
    times = times_with_work(spacing_us, [0, 400_000, 1_000_000], 4 * SECOND_NS)
    assert most_in_a_second(times) <= rate
    assert len(times) + 1 >= 0.98 * 4 * rate


@given(st.integers(5, 3000), st.lists(st.integers(0, 30_000_000), min_size=1, max_size=20))
def test_late_timers_never_make_it_faster(rate: int, lateness: list[int]) -> None:
    times = times_with_work(-(-1_000_000 // rate), lateness, SECOND_NS * 3 // 2)
    assert most_in_a_second(times) <= rate


def test_busy_loops_cost_nothing_of_the_rate() -> None:
    times = times_with_work(5000, [15_000_000, 0, 0, 8_000_000], 4 * SECOND_NS)
    assert len(times) >= 0.98 * 4 * 200
    assert most_in_a_second(times) <= 200


def test_after_a_pause_it_does_not_catch_up() -> None:
    pace = Pace()
    pace.went(100_000, 0)
    later = 10 * SECOND_NS
    assert pace.wait_ns(100_000, later) == 0
    pace.went(100_000, later)
    assert pace.wait_ns(100_000, later) >= 100_000_000 - LATENESS_NS


def test_each_record_keeps_its_own_spacing_behind_it() -> None:
    pace = Pace()
    pace.went(50_000, 0)
    first = pace.wait_ns(10_000, 0)
    assert first == 50_000_000
    pace.went(10_000, first)
    assert pace.wait_ns(10_000, first) == 10_000_000


def test_a_wider_spacing_counts_what_went_before() -> None:
    """After the share was halved, the second that has begun is not filled up to the old one."""
    pace, now = Pace(), 0
    for _ in range(100):
        now += pace.wait_ns(10_000, now)
        pace.went(10_000, now)
    assert now + pace.wait_ns(20_000, now) >= SECOND_NS // 2
