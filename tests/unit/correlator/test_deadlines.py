"""Due times in buckets, and what the log proves."""

import pytest

from services.correlator.join.deadlines import BROKERS_APART_MS, WATERMARK_MARGIN_MS, Calendar, LogClock


def test_a_record_proves_everything_before_its_own_millisecond() -> None:
    clock = LogClock()
    clock.read_record(5_000)
    assert clock.proven_ms == 4_999
    clock.read_record(4_000)
    assert clock.proven_ms == 4_999


def test_a_watermark_proves_what_was_appended_a_second_before_it_was_fetched() -> None:
    clock = LogClock()
    clock.read_to_watermark(5_000)
    assert clock.proven_ms == 4_000
    clock.read_to_watermark(3_000)
    assert clock.proven_ms == 4_000


def test_brokers_whose_clocks_differ_prove_less() -> None:
    """Who leads the partition next may be behind, and another one tells the time."""
    clock = LogClock(BROKERS_APART_MS)
    clock.read_record(50_000)
    assert clock.proven_ms == 50_000 - 1 - BROKERS_APART_MS
    clock.read_to_watermark(60_000)
    assert clock.proven_ms == 60_000 - WATERMARK_MARGIN_MS - BROKERS_APART_MS


def test_a_bucket_is_due_when_its_last_millisecond_is_over() -> None:
    calendar = Calendar(1_000)
    calendar.add(1_200, b"a")
    calendar.add(1_999, b"b")
    calendar.add(2_000, b"c")
    assert calendar.next_due_ms == 1_999
    assert calendar.first() == [b"a", b"b"]
    assert calendar.take(1_998, 9) == []
    assert calendar.take(1_999, 9) == [b"a", b"b"]
    assert calendar.next_due_ms == 2_999


def test_buckets_come_in_order_of_time_whatever_the_order_of_adding() -> None:
    calendar = Calendar(10)
    for due in (55, 5, 31, 7):
        calendar.add(due, b"%d" % due)
    assert calendar.take(1_000, 9) == [b"5", b"7", b"31", b"55"]
    assert calendar.next_due_ms is None
    assert len(calendar) == 0
    with pytest.raises(IndexError):
        calendar.first()


def test_no_more_than_the_limit_is_taken_and_the_rest_stays_due() -> None:
    calendar = Calendar(10)
    for n in range(25):
        calendar.add(n, b"%d" % n)
    taken: list[bytes] = []
    while calendar.next_due_ms is not None:
        piece = calendar.take(100, 4)
        assert 0 < len(piece) <= 4
        taken += piece
    assert sorted(map(int, taken)) == list(range(25))
    assert calendar.take(100, 4) == []
