"""Unit tests of when hours are recomputed."""

from services.recorder.rollup import LOOK_BACK_S, OLD_EVERY_MS, OVERLAP_S, REFRESH_MS, SHARE, RollupPlan

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


def test_the_first_look_is_due_at_once_and_goes_back_a_day() -> None:
    plan = RollupPlan(NOW)
    assert plan.due_at_ms() == NOW
    assert plan.back_s(NOW) == LOOK_BACK_S
    assert plan.choose([OLD, HOUR], NOW, TIME_S) == (HOUR, OLD)


def test_nothing_is_due_while_nothing_changes() -> None:
    plan = begun()
    assert plan.due_at_ms() is None


def test_changes_are_due_together() -> None:
    plan = begun()
    plan.changed(NOW + 1000)
    plan.changed(NOW + 5000)
    assert plan.due_at_ms() == NOW + 1000 + REFRESH_MS
    assert plan.back_s(NOW + 5000) == 5 + OVERLAP_S


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
    plan.failed([*hours, OLD], NOW + 11_000)
    assert plan.due_at_ms() == NOW + 11_000 + REFRESH_MS
    assert plan.choose([], NOW + 30_000, TIME_S + 30) == (HOUR, OLD)
