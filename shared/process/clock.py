"""Edge: the only place that reads a clock. Everything else takes the time as an argument."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from shared.process.kafka_time import KafkaTime

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


def ago_s(system_s: float) -> float:
    """How long ago it was, for a time that this machine's system told: the birth of a process, the change of a file."""
    return time.time() - system_s


def _true_ms() -> int:
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


wall_ms: Final = _wall_clock(os.environ.get(TEST_CLOCK_VARIABLE), sys.argv)
"""This machine's wall clock, milliseconds since the epoch (UTC)."""

_kafka: Final = KafkaTime()


def learn_kafka_time(appended_at_ms: int, sent_s: float) -> None:
    """Kafka has just acknowledged a record sent at `sent_s` (`monotonic_s`): from now on `now_ms` goes by that."""
    _kafka.appended(appended_at_ms, sent_s, monotonic_s(), wall_ms())


def now_ms() -> int:
    """Kafka's time, milliseconds since the epoch (UTC): what `LogAppendTime` of a record written now would be.

    It may be set like any clock of a date: waits count by `monotonic_s`. Before this process has learned it (every
    service does before its job begins; commands do not) it is the wall clock of this machine.
    """
    found = _kafka.now_ms(monotonic_s())
    return wall_ms() if found is None else found
