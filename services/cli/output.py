"""Edge: what commands print: tables for people, JSON for programs; errors on stderr.

Nothing is markup: whatever text is printed, or stands in a table, is shown as text (`visible`), because much of it came
from outside. What is to have a style says so part by part: `styled`.
"""

import contextlib
import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NoReturn

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from shared.process.visible import visible, visible_json

_WIDTH_OF_FILES = 180
"""Where nobody looks at a terminal, a table may be as wide as it needs."""


class PlainConsole(Console):
    """Shows every string as text, on one line. Leaves it to the command what a closed pipe means; rich itself would
    leave the process."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError

    def render_str(self, text: str, *, style: Any = "", justify: Any = None, overflow: Any = None, **_: Any) -> Text:
        """A string is no markup, whoever asks for it."""
        return Text(visible(text), style=style, justify=justify, overflow=overflow)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The net below: what a library made of a string by itself, without `render_str`. Line ends that a text did not
        have are those of its wrapping."""
        wrapped = isinstance(renderable, Text) and "\n" not in renderable.plain
        for segment in super().render(renderable, options):
            if segment.control or segment.text == "\n":
                yield segment
            elif wrapped:
                lines = map(visible, segment.text.split("\n"))
                yield Segment("\n".join(lines), segment.style)
            else:
                yield Segment(visible(segment.text), segment.style)


console = PlainConsole(highlight=False, width=None if sys.stdout.isatty() else _WIDTH_OF_FILES)
errors = PlainConsole(stderr=True, highlight=False, soft_wrap=True)


def never_fail_on_characters() -> None:
    """A terminal whose encoding lacks a character is shown its code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a test may have put another in its place
            stream.reconfigure(errors="backslashreplace")


def styled(*parts: str | tuple[str, str]) -> Text:
    """One line of text: each part plain, or with a style of rich's (`("error:", "red")`)."""
    line = Text()
    for part in parts:
        text, style = (part, "") if isinstance(part, str) else part
        line.append(visible(text), style=style or None)
    return line


def tell(sentence: str) -> None:
    """Print a line for a process that must go on: a pipe or terminal that is closed, or a full disk, is ignored.

    Line ends before and after the sentence are empty lines.
    """
    inner = sentence.strip("\n")
    before, _, after = sentence.partition(inner) if inner else ("", "", "")
    with contextlib.suppress(OSError):
        for line in [*([""] * len(before)), inner, *([""] * len(after))]:
            console.print(line)


def tell_json(value: Any) -> None:
    """As `tell`, for programs."""
    with contextlib.suppress(OSError):
        print_json(value)


def give_up_output() -> None:
    """Nobody reads on: whatever is still buffered goes nowhere, without a complaint at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(value: Any) -> None:
    """One object on one line, valid whatever its texts are; a number that JSON does not have is null."""
    document = json.dumps(_of_json(value), ensure_ascii=False, default=str, allow_nan=False)
    sys.stdout.write(visible_json(document) + "\n")
    sys.stdout.flush()


def _of_json(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in {float("inf"), float("-inf")}):
        return None
    if isinstance(value, dict):
        return {name: _of_json(one) for name, one in value.items()}
    return [_of_json(one) for one in value] if isinstance(value, list | tuple) else value


def print_json_lines(rows: Iterable[Any]) -> None:
    """One object a line."""
    for row in rows:
        print_json(row)


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A head and a line a row (RFC 4180, but line ends are those of a text). An apostrophe goes before what a
    spreadsheet would take for a formula; a number is none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_of_csv(cell) for cell in row])
    sys.stdout.write(text.getvalue())
    sys.stdout.flush()


def _of_csv(cell: Any) -> Any:
    if not isinstance(cell, str):
        return "" if cell is None or cell != cell else cell
    shown = visible(cell)
    is_formula = shown[:1] in {"=", "+", "-", "@"} and not shown[1:].isdigit()
    return f"'{shown}" if is_formula else shown


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> Table:
    """A plain table; the columns named in `right` are numbers, those in `whole` stay on one line where others can give
    way. Cells are shown as text, whatever is in them."""
    made = Table(
        title=styled((title, "bold")) if title else None, title_justify="left", box=None, pad_edge=False,
        header_style="dim",
    )  # fmt: skip
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in right else "left"
        made.add_column(styled(column), justify=justify, overflow="fold", no_wrap=column in whole)
    for row in rows:
        made.add_row(*[styled("" if cell is None else str(cell)) for cell in row])
    return made


def clock_time(at_ms: int) -> str:
    """Local wall time with milliseconds, for people; empty for 0 and for what is no time."""
    if not at_ms:
        return ""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
    except (ValueError, OverflowError, OSError):
        return str(at_ms)
