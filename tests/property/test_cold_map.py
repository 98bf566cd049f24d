"""The compact map does what a dict does, and the compact calendar what lists would."""

from hypothesis import given
from hypothesis import strategies as st

from services.correlator.join.deadlines import Calendar
from services.correlator.state.cold_map import KEY_MAX, ROW_MAX, ColdMap

KEYS = st.binary(max_size=3) | st.binary(min_size=KEY_MAX - 1, max_size=KEY_MAX)
STEPS = st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=40)), max_size=60)


@given(STEPS, st.booleans())
def test_a_cold_map_is_a_dict(steps: list[tuple[bytes, bytes | None]], crowded: bool) -> None:
    """Also with all entries in one shard, under one tag."""
    found = ColdMap(lambda key: 7 + 256 * (len(key) % 2)) if crowded else ColdMap()
    expected: dict[bytes, bytes] = {}
    for key, value in steps:
        assert found.get(key) == expected.get(key)
        if value is None:
            assert found.pop(key) == (expected.pop(key, None) is not None)
        else:
            assert found.put(key, value)
            expected[key] = value
        assert len(found) == len(expected)
    assert dict(found.items()) == expected
    assert all(found.get(key) == value for key, value in expected.items())


def test_what_is_too_long_is_not_taken() -> None:
    found = ColdMap()
    assert not found.put(b"k" * (KEY_MAX + 1), b"")
    assert not found.put(b"k", b"v" * (ROW_MAX - 1))
    assert found.put(b"k", b"v" * (ROW_MAX - 2))
    assert not found.put(b"k", b"v" * ROW_MAX)
    assert found.get(b"k") == b"v" * (ROW_MAX - 2)


@given(st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=300))), st.integers(1, 9), st.integers(0, 70))
def test_a_calendar_gives_every_key_back_once_and_none_early(
    given_keys: list[tuple[int, bytes]], limit: int, until_ms: int
) -> None:
    calendar = Calendar(10)
    for due_ms, key in given_keys:
        calendar.add(due_ms, key)
    taken: list[bytes] = []
    while keys := calendar.take(until_ms, limit):
        assert len(keys) <= limit
        taken += keys
    over = [key for due_ms, key in given_keys if due_ms // 10 * 10 + 9 <= until_ms]
    assert sorted(taken) == sorted(over)
    assert len(calendar) == len(given_keys) - len(over)
    rest: list[bytes] = []
    while calendar.next_due_ms is not None:
        first = calendar.first()
        rest += calendar.take(calendar.next_due_ms, len(first))
        assert rest[-len(first) :] == first
    assert sorted(taken + rest) == sorted(key for _, key in given_keys)
