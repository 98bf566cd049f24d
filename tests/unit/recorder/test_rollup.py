"""Unit tests of when hours are recomputed."""

from services.recorder.rollup import HOURS_MAX, OLD_EVERY_MS, REFRESH_MS, SHARE, RollupPlan, open_since_s

HOUR = 1_800_000_000
TIME_S = HOUR + 30 * 60
NOW = 7_000  # milliseconds of the own clock, which begins somewhere
OLD = HOUR - 5 * 3600


def begun() -> RollupPlan:
    """A plan after its first look, at NOW."""
    plan = RollupPlan(NOW)
    plan.choose([], NOW, TIME_S)
    plan.done(NOW, NOW)
    return plan


def test_the_first_look_is_due_at_once() -> None:
    plan = RollupPlan(NOW)
    assert plan.due_at_ms() == NOW
    assert plan.choose([OLD, HOUR], NOW, TIME_S) == (HOUR, OLD)


def test_nothing_is_due_while_nothing_changes() -> None:
    plan = begun()
    assert plan.due_at_ms() is None


def test_changes_are_due_together() -> None:
    plan = begun()
    plan.changed(NOW + 1000)
    plan.changed(NOW + 5000)
    assert plan.due_at_ms() == NOW + 1000 + REFRESH_MS


def test_an_expensive_recomputation_is_followed_by_a_long_rest() -> None:
    plan = begun()
    plan.done(NOW, NOW + 2000)
    plan.changed(NOW + 3000)
    assert plan.due_at_ms() == NOW + 2000 + SHARE * 2000


def test_hours_that_are_over_wait_for_each_other() -> None:
    plan = begun()
    plan.changed(NOW)
    assert plan.choose([OLD, HOUR - 3600, HOUR], NOW + 10_000, TIME_S + 10) == (HOUR, HOUR - 3600)
    assert plan.due_at_ms() == NOW + OLD_EVERY_MS
    assert plan.choose([OLD - 3600], NOW + OLD_EVERY_MS, TIME_S + 600) == (OLD, OLD - 3600)
    assert plan.due_at_ms() is None


def test_what_failed_stays_due() -> None:
    plan = begun()
    plan.changed(NOW)
    hours = plan.choose([HOUR], NOW + 10_000, TIME_S + 10)
    plan.put_back([*hours, OLD], NOW + 11_000)
    assert plan.due_at_ms() == NOW + 11_000 + REFRESH_MS
    assert plan.choose([], NOW + 30_000, TIME_S + 30) == (HOUR, OLD)


def test_this_hour_and_the_last_are_open() -> None:
    assert open_since_s(TIME_S) == HOUR - 3600
    assert open_since_s(HOUR) == HOUR - 3600
    assert open_since_s(HOUR - 1) == HOUR - 7200


def test_many_hours_are_recomputed_in_several_goes_the_newest_first() -> None:
    plan = RollupPlan(NOW)
    dirty = [HOUR - 3600 * age for age in range(HOURS_MAX + 10)]
    assert plan.choose(dirty, NOW, TIME_S) == tuple(dirty[:HOURS_MAX])
    plan.done(NOW, NOW + 1000)
    due_ms = plan.due_at_ms()
    assert due_ms == NOW + 1000 + 1000 * SHARE, "events come first"
    assert plan.choose([], due_ms, TIME_S) == tuple(dirty[HOURS_MAX:])
    assert plan.due_at_ms() is None
