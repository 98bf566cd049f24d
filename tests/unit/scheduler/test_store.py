"""Edge: the file that mirrors a changelog: what is lasting, and when it is begun anew."""

from pathlib import Path

import pytest

from services.scheduler.entries import Row
from services.scheduler.store import SqliteStore


def row(wake_at_ms: int, value: bytes = b"v") -> Row:
    return Row(wake_at_ms, True, "shop", "", "", value)


def test_what_was_not_committed_is_not_there_after_a_crash(tmp_path: Path) -> None:
    place = tmp_path / "state" / "0.sqlite"
    store = SqliteStore(place, "a")
    store.put(b"1", row(5))
    store.positions["t"] = 7
    store.note(11, 1_000)
    store.commit()
    store.put(b"2", row(3))
    store.remove(b"1")
    store.positions["t"] = 8
    assert store.due(9, 9) == [(b"2", b"v")]  # what the cycle itself sees
    store.close()
    again = SqliteStore(place, "a")
    assert (again.due(9, 9), again.positions) == ([(b"1", b"v")], {"t": 7})
    assert (again.position, again.noted_at_ms, again.waiting()) == (11, 1_000, 1)
    assert place.parent.stat().st_mode & 0o077 == 0


def test_a_file_of_another_changelog_is_emptied(tmp_path: Path) -> None:
    place = tmp_path / "0.sqlite"
    store = SqliteStore(place, "one cluster")
    store.put(b"1", row(5))
    store.note(11, 1_000)
    store.commit()
    store.close()
    other = SqliteStore(place, "another cluster")
    assert (other.next_wake_ms(), other.position, other.positions) == (None, None, {})


@pytest.mark.parametrize("octets", [b"no database at all" * 1_000, b"SQLite format 3\x00" + b"\xff" * 5_000])
def test_a_damaged_file_is_begun_anew(tmp_path: Path, octets: bytes) -> None:
    place = tmp_path / "0.sqlite"
    place.write_bytes(octets)
    store = SqliteStore(place, "a")
    assert (store.next_wake_ms(), store.position) == (None, None)
    store.put(b"1", row(5))
    store.commit()


def test_cleared_it_knows_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "0.sqlite", "a")
    store.put(b"1", row(5))
    store.positions["t"] = 7
    store.note(11, 1_000)
    store.commit()
    store.clear()
    assert (store.next_wake_ms(), store.position, store.positions, store.waiting()) == (None, None, {}, 0)
