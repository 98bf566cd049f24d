"""Edge: `smsgw report NAME`: tables, pictures, JSON or CSV."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.cli.commands.report_pictures import picture_of
from services.cli.commands.typed import message_id_of, moment_of
from services.cli.errors import EXIT_FAILED
from services.cli.output import console, print_csv, print_json_lines, table
from services.cli.runtime import find_clickhouse
from shared.operations.errors import Invalid
from shared.operations.named_reports import FOR_EVER_S, Found, NamedReport, Question, named, read_named_report, step_for
from shared.process.clock import now_ms


@dataclass(frozen=True, slots=True)
class Typed:
    """What a person typed. None: not given."""

    name: str
    what: str | None = None
    since: str | None = None
    until: str | None = None
    account: str = ""
    connector: str = ""
    country: str = ""
    step: str | None = None
    unclaimed: bool = False
    limit: int = 1000


async def run(typed: Typed, data_dir: Path | None, *, as_json: bool, as_csv: bool) -> int:
    """Prints; 0, also when there is nothing to report; 1 when the message or number is not known."""
    if as_json and as_csv:
        raise Invalid("--json and --csv: which of them?")
    question = question_of(typed, now_ms() // 1000)
    found = await asyncio.to_thread(read_named_report, find_clickhouse(data_dir), typed.name, question)
    if as_json:
        print_json_lines(dict(zip(found.columns, map(_told, row), strict=True)) for row in found.rows)
    elif as_csv:
        print_csv(found.columns, [list(map(_told, row)) for row in found.rows])
    else:
        _show(typed.name, named(typed.name), question, found)
    return EXIT_FAILED if named(typed.name).needs_what and not found.rows else 0


async def refuse(sentence: str) -> int:
    """Options that do not go together; raises `Invalid`."""
    raise Invalid(sentence)


def question_of(typed: Typed, now_s: int) -> Question:
    """What is asked of the report; raises `Invalid`."""
    report = named(typed.name)
    if typed.what and not report.what:
        raise Invalid(f"the report {typed.name} is not of one thing: {typed.what!r}")
    if report.needs_what and not typed.what:
        raise Invalid(f"which {report.what}?", f"smsgw report {typed.name} {report.what.upper()}")
    if typed.unclaimed and typed.name != "inbound":
        raise Invalid("--unclaimed is for the report inbound")
    since_s = moment_of("--since", typed.since, now_s) if typed.since else now_s - report.since_s
    until_s = moment_of("--until", typed.until, now_s) if typed.until else FOR_EVER_S
    if since_s >= until_s:
        raise Invalid("--since is not before --until")
    what = (typed.what or "").strip()
    if typed.name == "message":
        what = message_id_of(what)
    if typed.name == "number":
        what = what.removeprefix("+").replace(" ", "")
    return Question(
        since_s, until_s, what, typed.account, typed.connector, typed.country, typed.unclaimed,
        _step_s(typed.step, min(until_s, now_s) - since_s), typed.limit,
    )  # fmt: skip


def _step_s(typed: str | None, span_s: int) -> int:
    if typed is None:
        return step_for(span_s)
    step_s = -moment_of("--step", typed, 0)
    if step_s < 60:
        raise Invalid(f"--step: {typed!r} is less than a minute")
    return step_s


def _show(name: str, report: NamedReport, question: Question, found: Found) -> None:
    title = f"{report.title}: {question.what}" if question.what else report.title
    if not found.rows:
        console.print(f"{title}: nothing in this span")
        return
    numbers = [column for place, column in enumerate(found.columns) if _is_number(found.rows[0][place])]
    rows = [[_short(cell) for cell in row] for row in found.rows]
    console.print(table(title, [column.replace("_", " ") for column in found.columns], rows,
                        right=[column.replace("_", " ") for column in numbers]))  # fmt: skip
    if len(found.rows) == question.limit:
        console.print(f"the first {question.limit} rows; --limit for more")
    for line in picture_of(name, found, console.width):
        console.print(line)


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _short(cell: Any) -> Any:
    """For people: local time to the second, yes and no."""
    if isinstance(cell, datetime):
        return _utc(cell).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return "" if cell is None or cell != cell else cell


def _told(cell: Any) -> Any:
    """For programs: times in UTC, as ISO 8601; ids as text."""
    if isinstance(cell, datetime):
        return _utc(cell).isoformat().replace("+00:00", "Z")
    if cell is None or isinstance(cell, str | int | float):
        return cell
    return str(cell)


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
