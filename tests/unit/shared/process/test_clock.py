"""The wall clock that tests may set wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.process import clock
from shared.process.clock import TEST_CLOCK_VARIABLE, wrong_clock

HOUR_MS = 3_600_000


class Times:
    """A true clock of 1000 ms, and a monotonic one that a test moves."""

    def __init__(self, file: Path) -> None:
        self.monotonic_ns = 0
        self.now_ms = wrong_clock(file, lambda: 1000, lambda: self.monotonic_ns)

    def later(self) -> int:
        self.monotonic_ns += 100_000_000
        return self.now_ms()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "clock"


def test_a_file_shifts_the_clock_either_way(file: Path) -> None:
    file.write_text("3600000\n")
    assert Times(file).now_ms() == 1000 + HOUR_MS
    file.write_text("-3600000")
    assert Times(file).now_ms() == 1000 - HOUR_MS


def test_without_a_file_the_clock_is_right(file: Path) -> None:
    assert Times(file).now_ms() == 1000


def test_the_file_is_looked_at_again_after_100_ms(file: Path) -> None:
    file.write_text("5")
    times = Times(file)
    assert times.now_ms() == 1005
    file.write_text("70")
    times.monotonic_ns += 99_000_000
    assert times.now_ms() == 1005
    times.monotonic_ns += 1_000_000
    assert times.now_ms() == 1070
    file.unlink()
    assert times.later() == 1000


def test_one_that_replaces_it_counts_even_if_it_is_as_long_and_as_old(file: Path) -> None:
    file.write_text("10")
    times = Times(file)
    assert times.now_ms() == 1010
    other = file.with_suffix(".new")
    other.write_text("20")
    stat = file.stat()
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(file)
    assert times.later() == 1020


def test_half_a_file_changes_nothing(file: Path) -> None:
    file.write_text("10")
    times = Times(file)
    assert times.now_ms() == 1010
    file.write_text("")
    assert times.later() == 1010
    file.write_text("30")
    assert times.later() == 1030


def test_unset_nothing_stands_between_us_and_the_clock() -> None:
    assert TEST_CLOCK_VARIABLE not in os.environ
    assert clock.wall_ms is clock._true_ms


def _ahead_ms(place: Path, *arguments: str) -> int:
    """How far ahead a process is whose environment names `place`."""
    program = "import time; from shared.process.clock import wall_ms; print(wall_ms() - time.time_ns() // 1_000_000)"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=os.environ | {TEST_CLOCK_VARIABLE: str(place)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout)


def test_in_a_process_a_folder_has_a_file_for_each_service(tmp_path: Path) -> None:
    (tmp_path / "binder").write_text(str(HOUR_MS))
    assert _ahead_ms(tmp_path, "binder") == pytest.approx(HOUR_MS, abs=10_000)
    assert _ahead_ms(tmp_path, "encoder") == pytest.approx(0, abs=10_000)
    assert _ahead_ms(tmp_path / "binder") == pytest.approx(HOUR_MS, abs=10_000)
