"""Buckets of time."""

from hypothesis import given
from hypothesis import strategies as st

from services.simulator.schedule import Schedule

TICK = 0.005


def test_items_come_out_together_in_order_and_the_first_of_a_bucket_says_so() -> None:
    schedule: Schedule[str] = Schedule(TICK)
    assert schedule.next_due() is None
    assert schedule.add(1.0, "b")
    assert not schedule.add(1.001, "c")
    assert schedule.add(0.5, "a")
    assert not schedule.add(2.0, "d")
    assert len(schedule) == 4
    due_at = schedule.next_due()
    assert due_at is not None
    assert 0.5 < due_at <= 0.5 + TICK
    assert schedule.take_due(0.499) == []
    assert schedule.take_due(1.5) == ["a", "b", "c"]
    assert schedule.take_all() == ["d"]
    assert schedule.next_due() is None


@given(st.lists(st.floats(0, 100), max_size=50), st.floats(0, 100))
def test_nothing_comes_early_and_nothing_more_than_a_tick_late(dues: list[float], now: float) -> None:
    schedule: Schedule[float] = Schedule(TICK)
    for due_at in dues:
        schedule.add(due_at, due_at)
    taken = schedule.take_due(now)
    assert all(due_at <= now for due_at in taken)
    left = schedule.take_all()
    assert all(due_at > now - TICK - 1e-9 for due_at in left)
    assert sorted(taken + left) == sorted(dues)
