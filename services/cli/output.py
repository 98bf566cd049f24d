"""Edge: what commands print: tables for people, JSON for programs; errors on stderr."""

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table

_WIDTH_OF_FILES = 180
"""Where nobody looks at a terminal, a table may be as wide as it needs."""


class _Console(Console):
    """Leaves it to the command what a closed pipe means; rich itself would leave the process."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


console = _Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH_OF_FILES)
errors = _Console(stderr=True, highlight=False, soft_wrap=True)


def tell(sentence: str) -> None:
    """Print a line for a process that must go on: a pipe or terminal that is closed, or a full disk, is ignored."""
    with contextlib.suppress(OSError):
        console.print(sentence, markup=False)


def tell_json(value: Any) -> None:
    """As `tell`, for programs."""
    with contextlib.suppress(OSError):
        print_json(value)


def give_up_output() -> None:
    """Nobody reads on: whatever is still buffered goes nowhere, without a complaint at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(value: Any) -> None:
    """One object."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def print_json_lines(rows: Iterable[Any]) -> None:
    """One object a line."""
    for row in rows:
        print_json(row)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[str] = ()) -> Table:
    """A plain table; the columns named in `right` are numbers."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*["" if cell is None else str(cell) for cell in row])
    return made


def clock_time(at_ms: int) -> str:
    """Local wall time with milliseconds, for people; empty for 0."""
    if not at_ms:
        return ""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
