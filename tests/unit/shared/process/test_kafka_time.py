"""Kafka's clock, learned from acknowledgements, whatever this machine's wall clock says."""

import pytest

from shared.process.kafka_time import KafkaTime

AT_MS = 1_790_000_000_000
HOUR_MS = 3_600_000


def test_nothing_is_known_before_the_first_append() -> None:
    assert KafkaTime().now_ms(5.0) is None


@pytest.mark.parametrize("ahead_ms", [HOUR_MS, -HOUR_MS])
def test_a_wrong_wall_clock_is_believed_no_further_than_the_round_trip(ahead_ms: int) -> None:
    """Appended at AT_MS, between 100.000 s and 100.020 s of ours."""
    time = KafkaTime()
    time.appended(AT_MS, 100.000, 100.020, AT_MS + 10 + ahead_ms)
    assert AT_MS - 1 <= (time.now_ms(100.0) or 0) + 20 <= AT_MS + 42
    assert AT_MS + 9_980 <= (time.now_ms(110.0) or 0) <= AT_MS + 10_001 + 20


def test_a_wall_clock_that_does_not_contradict_is_kept_as_it_is() -> None:
    time = KafkaTime()
    time.appended(AT_MS, 100.000, 100.020, AT_MS + 7)
    assert time.now_ms(100.020) == AT_MS + 7
    time.appended(AT_MS + 2_000, 102.000, 102.020, AT_MS + 2_007 + HOUR_MS)  # set forward since: not looked at again
    assert time.now_ms(102.020) == AT_MS + 2_007


def test_later_appends_narrow_what_is_known() -> None:
    time = KafkaTime()
    time.appended(AT_MS, 100.0, 103.0, AT_MS + HOUR_MS)  # three seconds on the way
    assert time.now_ms(103.0) == AT_MS + 3_001
    time.appended(AT_MS + 5_000, 105.000, 105.004, 0)
    assert AT_MS + 5_000 <= (time.now_ms(105.004) or 0) <= AT_MS + 5_005


@pytest.mark.parametrize("step_ms", [HOUR_MS, -HOUR_MS])
def test_a_broker_whose_clock_was_set_is_followed_with_the_next_append(step_ms: int) -> None:
    time = KafkaTime()
    time.appended(AT_MS, 100.000, 100.002, AT_MS)
    time.appended(AT_MS + 2_000 + step_ms, 102.000, 102.002, AT_MS)
    assert (time.now_ms(102.002) or 0) - AT_MS - step_ms == pytest.approx(2_001, abs=3)
