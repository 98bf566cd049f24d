"""Pure: lengths of time for people."""

import pytest

from services.cli.output import clock_time, span


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "0 ms"), (999, "999 ms"), (1500, "1.5 s"), (119_900, "119.9 s"), (120_000, "2 min")]
)
def test_the_unit_reads_best(ms: float, text: str) -> None:
    assert span(ms) == text


def test_no_time_is_no_text() -> None:
    assert clock_time(0) == ""
    assert clock_time(1_790_000_000_123).endswith(".123")
