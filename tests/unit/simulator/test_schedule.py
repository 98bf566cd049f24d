"""Buckets of time."""

from hypothesis import given
from hypothesis import strategies as st

from services.simulator.schedule import Schedule

TICK = 0.005


def test_items_come_out_together_in_order_and_the_first_of_a_bucket_says_so() -> None:
    schedule: Schedule[str] = Schedule(TICK)
    assert schedule.next_due() is None
    assert schedule.add(1.0, 0.1, "b")
    assert not schedule.add(1.001, 0.1, "c")
    assert schedule.add(0.5, 0.0, "a")
    assert not schedule.add(2.0, 0.0, "d")
    assert len(schedule) == 4
    due_at = schedule.next_due()
    assert due_at is not None
    assert 0.5 < due_at <= 0.5 + TICK
    assert schedule.take_due(0.499) == []
    assert schedule.take_due(1.5) == ["a", "b", "c"]
    assert schedule.take_all() == ["d"]
    assert schedule.next_due() is None


def test_long_waits_share_fewer_buckets() -> None:
    schedule: Schedule[int] = Schedule(TICK)
    for step in range(200):
        schedule.add(10.0, 0.2 + step * 0.001, step)
    buckets = 0
    while (due_at := schedule.next_due()) is not None:
        assert schedule.take_due(due_at)
        buckets += 1
    assert buckets <= 200 / 20 + 1


@given(st.lists(st.floats(0, 10), max_size=50), st.floats(0, 12))
def test_nothing_comes_early_and_nothing_much_late(waits: list[float], now: float) -> None:
    schedule: Schedule[float] = Schedule(TICK)
    for wait_s in waits:
        schedule.add(0.0, wait_s, wait_s)
    taken = schedule.take_due(now)
    assert all(wait_s <= now for wait_s in taken)
    left = schedule.take_all()
    assert all(wait_s + max(TICK, wait_s / 10) > now - 1e-9 for wait_s in left)
    assert sorted(taken + left) == sorted(waits)
