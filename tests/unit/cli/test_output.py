"""Edge: times for people, and output that nobody reads any more."""

import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.output import clock_time
from shared.operations.spans import span


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "0 ms"), (999, "999 ms"), (1500, "1.5 s"), (119_900, "119.9 s"), (120_000, "2 min")]
)
def test_the_unit_reads_best(ms: float, text: str) -> None:
    assert span(ms) == text


def test_no_time_is_no_text() -> None:
    assert clock_time(0) == ""
    assert clock_time(1_790_000_000_123).endswith(".123")


def run_into_closed_pipe(program: str) -> "subprocess.CompletedProcess[bytes]":
    """As in `smsgw … | head -0`: the reader is gone before anything is written."""
    return subprocess.run(
        ["/bin/sh", "-c", '"$0" -c "$1" | true', sys.executable, f"import sys\nsys.stdin.read()\n{program}"],
        cwd=Path(__file__).parents[3], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False,
    )  # fmt: skip


def test_a_process_that_must_go_on_does_so_without_a_reader(tmp_path: Path) -> None:
    done = tmp_path / "done"
    program = f"""
import pathlib, os
from services.cli.output import tell
os.environ.clear()
for _ in range(3):
    tell("x" * 100_000)
tell("a line of [a log] with [/brackets]")
pathlib.Path({str(done)!r}).touch()
"""
    run_into_closed_pipe(program)
    assert done.exists()


@pytest.mark.parametrize("printing", ["console.print('x' * 100_000)", "print_json('x' * 100_000)"])
def test_a_command_whose_reader_is_gone_ends_without_a_word(printing: str) -> None:
    program = f"""
from services.cli import app
from services.cli.output import console, print_json
def command(**_):
    for _ in range(5):
        {printing}
app.app = command
app.main()
"""
    assert run_into_closed_pipe(program).stderr == b""
