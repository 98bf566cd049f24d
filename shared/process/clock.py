"""Edge: the only place that reads a clock. Everything else takes the time as an argument."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

_COUNTS_SLEEP: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux stops CLOCK_MONOTONIC while the machine is suspended, and a process must notice that it slept."""

TEST_CLOCK_VARIABLE: Final = "SMSGW_TEST_CLOCK_FILE"
"""For tests: names a file with milliseconds that the wall clock is ahead (negative: behind), or a folder of such files,
each named for the first argument of the process (`binder`, `status`). It may change at any time."""

_LOOK_AGAIN_NS: Final = 100_000_000


def monotonic_s() -> float:
    """Seconds on a clock that never goes back, and goes on while the machine is suspended."""
    return time.clock_gettime(_COUNTS_SLEEP)


def monotonic_us() -> int:
    """Microseconds on a clock that never goes back."""
    return time.monotonic_ns() // 1000


def _true_ms() -> int:
    """Wall clock, milliseconds since the epoch (UTC). What others made of theirs says little: docs/guarantees.md."""
    return time.time_ns() // 1_000_000


def wrong_clock(file: Path, true_ms: Callable[[], int], monotonic_ns: Callable[[], int]) -> Callable[[], int]:
    """`true_ms` shifted by what `file` says, looked at again every 100 ms at most.

    No file: not shifted. One that says no number: as before, for it may be half written.
    """
    shift_ms, looked_ns, seen = 0, monotonic_ns() - _LOOK_AGAIN_NS, (0, 0, 0)

    def shifted_ms() -> int:
        nonlocal shift_ms, looked_ns, seen
        at_ns = monotonic_ns()
        if at_ns - looked_ns >= _LOOK_AGAIN_NS:
            looked_ns = at_ns
            try:
                found = file.stat()
                if (found.st_ino, found.st_mtime_ns, found.st_size) != seen:
                    shift_ms = int(file.read_text())
                    seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            except FileNotFoundError:
                shift_ms, seen = 0, (0, 0, 0)
            except (OSError, ValueError):
                pass
        return true_ms() + shift_ms

    return shifted_ms


def _wall_clock(place: str | None, argv: list[str]) -> Callable[[], int]:
    if not place:
        return _true_ms
    file = Path(place)
    if file.is_dir():
        file /= argv[1] if len(argv) > 1 else ""
    return wrong_clock(file, _true_ms, time.monotonic_ns)


now_ms: Final = _wall_clock(os.environ.get(TEST_CLOCK_VARIABLE), sys.argv)
"""Wall clock, milliseconds since the epoch (UTC)."""
