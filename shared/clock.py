"""Edge: the only place that reads a clock. Everything else takes the time as an argument."""

import time


def now_ms() -> int:
    """Wall clock, milliseconds since the epoch (UTC)."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds on a clock that never goes back."""
    return time.monotonic()


def monotonic_us() -> int:
    """Microseconds on a clock that never goes back."""
    return time.monotonic_ns() // 1000
