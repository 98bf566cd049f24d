"""Edge: the only place that reads a clock. Everything else takes the time as an argument."""

import time
from typing import Final

_COUNTS_SLEEP: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux stops CLOCK_MONOTONIC while the machine is suspended, and a process must notice that it slept."""


def now_ms() -> int:
    """Wall clock, milliseconds since the epoch (UTC)."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds on a clock that never goes back, and goes on while the machine is suspended."""
    return time.clock_gettime(_COUNTS_SLEEP)


def monotonic_us() -> int:
    """Microseconds on a clock that never goes back."""
    return time.monotonic_ns() // 1000
