"""Edge: times for people, and output that nobody reads any more."""

import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from services.cli.output import PlainConsole, clock_time, table
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


def shown(width: int, whole: Sequence[str] = ()) -> list[tuple[str, str]]:
    """The lines of a table of one row: what stands in the first column and in the second."""
    file = io.StringIO()
    made = table("", ["id", "text"], [["0123456789ab", "one two three\x1b[2J four\nfive"]], whole=whole)
    PlainConsole(file=file, width=width).print(made)
    head, *lines = file.getvalue().splitlines()
    second = head.index("text")
    return [(line[:second].strip(), line[second:].strip()) for line in lines]


def test_a_cell_that_does_not_fit_goes_on_below() -> None:
    ids, texts = zip(*shown(24), strict=True)
    assert "".join(ids) == "0123456789ab"
    assert "".join(texts).replace(" ", "") == r"onetwothree\x1b[2Jfour\nfive"


def test_a_column_that_is_to_stay_whole_does_where_another_can_give_way() -> None:
    assert [first for first, _ in shown(24, ["id"])][:2] == ["0123456789ab", ""]
