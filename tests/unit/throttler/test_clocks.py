"""Clocks that are an hour off: the binds' against Kafka's, and Kafka's own when somebody sets it."""

import pytest

from schemas.topics import MT_STATUSES, RETRY_LANE, SUBMIT_RESULTS
from services.throttler.connector.credits import TOOK_MAX_MS, AnswerTime
from tests.unit.throttler.world import HOUR_MS, START_MS, World, events_of, message, of_topic, policy

EITHER_WAY = pytest.mark.parametrize("off_ms", [HOUR_MS, -HOUR_MS])
RETRY_MS = 30_000


def at_work(**changes: int) -> World:
    """One bind, a bucket that is full."""
    world = World(policy(), **changes)
    world.bind(0)
    world.run(1_100)
    return world


def until_dispatched(world: World, count: int, most_ms: int = 2 * HOUR_MS) -> int:
    """How long it takes until `count` dispatches are written, by the throttler's own clock."""
    for waited_ms in range(0, most_ms, 100):
        if len(world.dispatches()) >= count:
            return waited_ms
        world.cycle()
        world.now_ms += 100
    raise AssertionError("never")


@EITHER_WAY
def test_a_throttled_answer_pauses_for_a_second_whatever_the_clock_of_the_bind_says(off_ms: int) -> None:
    world = at_work(binder_ahead_ms=off_ms)
    world.publish(message(1))
    world.cycle()
    world.answer([0], "throttled")
    assert 900 <= until_dispatched(world, 2) <= 1_200


@EITHER_WAY
def test_a_pause_is_not_longer_when_the_clock_is_set_in_it(off_ms: int) -> None:
    world = at_work()
    world.publish(message(1, validity_ms=3 * HOUR_MS))
    world.cycle()
    world.answer([0], "throttled")
    world.cycle()
    world.step(off_ms)
    assert 900 <= until_dispatched(world, 2) <= 1_200


@EITHER_WAY
def test_a_successor_counts_the_pause_from_when_it_read_the_answer(off_ms: int) -> None:
    world = at_work(binder_ahead_ms=off_ms)
    world.publish(message(1))
    world.cycle()
    world.answer([0], "throttled")
    world.crash()
    assert until_dispatched(world, 2) <= 1_200


@EITHER_WAY
def test_a_retry_waits_for_its_delay_and_is_not_past_its_validity(off_ms: int) -> None:
    world = at_work(binder_ahead_ms=off_ms)
    world.publish(message(1, validity_ms=HOUR_MS // 2))
    world.cycle()
    world.answer([0], "temporary")
    assert events_of(world.cycle())[-1] == "retry_scheduled"
    assert RETRY_MS - 200 <= until_dispatched(world, 2) <= RETRY_MS + 200


@EITHER_WAY
def test_a_retry_that_was_read_waits_by_the_own_clock(off_ms: int) -> None:
    world = at_work()
    world.publish(message(1, validity_ms=3 * HOUR_MS))
    world.cycle()
    world.answer([0], "temporary")
    world.run(200)  # written and read
    world.step(off_ms)
    assert RETRY_MS - 400 <= until_dispatched(world, 2) <= RETRY_MS


@pytest.mark.parametrize(("off_ms", "longest_ms"), [(HOUR_MS, 200), (-HOUR_MS, RETRY_MS + 200)])
def test_a_retry_of_a_predecessor_never_waits_longer_than_its_delay(off_ms: int, longest_ms: int) -> None:
    """Kafka's clock was set between writing and reading: nobody knows how much of the delay is over."""
    world = at_work()
    world.publish(message(1, validity_ms=3 * HOUR_MS))
    world.cycle()
    world.answer([0], "temporary")
    world.cycle()
    assert len(world.values(f"mt.segments.acme-1.{RETRY_LANE}")) == 1
    world.crash()
    world.step(off_ms)
    assert until_dispatched(world, 2) <= longest_ms + 400


@EITHER_WAY
def test_a_receipt_has_the_time_from_when_kafka_had_the_answer(off_ms: int) -> None:
    world = at_work(binder_ahead_ms=off_ms)
    world.publish(message(1))
    world.cycle()
    world.now_ms += 1_000
    told_ms = world.now_ms
    world.answer([0])
    world.now_ms += 5_000  # read later
    (result,) = of_topic(world.cycle(), SUBMIT_RESULTS)
    assert result["deadline_at_ms"] == told_ms + world.policy.receipt_deadline_ms


def test_validity_goes_by_the_clock_of_kafka_alone() -> None:
    world = at_work(binder_ahead_ms=-HOUR_MS)
    world.lease(0, "unbound")
    world.publish(message(1, at_ms=world.now_ms, validity_ms=HOUR_MS // 2))
    world.cycle()
    asleep_ms = (world.dispatcher.wake_at_ms(world.moment) or 0) - world.moment.steady_ms
    assert 0 < asleep_ms <= 60_000  # it may be set while it sleeps
    world.step(HOUR_MS)
    assert [status["status"] for status in of_topic(world.cycle(), MT_STATUSES)] == ["expired"]


@EITHER_WAY
def test_the_pace_and_the_sweep_go_on_when_the_clock_is_set(off_ms: int) -> None:
    world = at_work()
    world.publish(*(message(n, validity_ms=3 * HOUR_MS) for n in range(300)))
    for second in range(6):
        before = len(world.dispatches())
        for _ in range(20):
            world.cycle()
            world.answer_all()
            world.now_ms += 50
        if second == 1:
            world.step(off_ms)
        told = len(world.dispatches()) - before
        assert told <= 125  # 100 a second, and what the bucket holds
        assert told >= 20 or before >= 275
    assert len(world.dispatches()) == 300


def test_a_clock_set_between_submit_and_answer_does_not_open_the_credits_for_long() -> None:
    answers = AnswerTime()
    answers.sample(START_MS, START_MS + HOUR_MS, START_MS)
    assert answers.smoothed_ms <= TOOK_MAX_MS
    for _ in range(60):
        answers.sample(START_MS, START_MS + 20, START_MS + 25)
    assert answers.smoothed_ms < 60
