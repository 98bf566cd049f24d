"""Edge: `smsgw report NAME`: tables, pictures, JSON or CSV."""

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from services.cli.commands.report_pictures import picture_of
from services.cli.commands.typed import message_id_of, moment_of
from services.cli.errors import EXIT_FAILED
from services.cli.output import console, print_csv, print_json_lines, table
from services.cli.runtime import find_clickhouse
from shared.operations.errors import Invalid
from shared.operations.named_reports import FOR_EVER_S, Found, NamedReport, Question, named, read_named_report, step_for
from shared.process.clock import now_ms

_NUMBER: Final = re.compile(r"\d{1,20}", re.ASCII)
_COUNTRY: Final = re.compile(r"[A-Za-z]{2}", re.ASCII)


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
    if typed.step and typed.name != "throughput":
        raise Invalid("--step is for the report throughput")
    if typed.country and not _COUNTRY.fullmatch(typed.country):
        raise Invalid(f"--country: {typed.country!r} is no country code", "write two letters, as GB")
    since_s = moment_of("--since", typed.since, now_s) if typed.since else now_s - report.since_s
    until_s = moment_of("--until", typed.until, now_s) if typed.until else FOR_EVER_S
    if since_s >= until_s:
        raise Invalid("--since is not before --until")
    what = (typed.what or "").strip()
    if typed.name == "message":
        what = message_id_of(what)
    if typed.name == "number":
        what = re.sub(r"[ ().-]", "", what).removeprefix("+")
        if not _NUMBER.fullmatch(what):
            raise Invalid(f"{typed.what!r} is no number", "write it with its country code: 447700900123")
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
        choices = {"account": question.account, "connector": question.connector, "country": question.country}
        chosen = ", ".join(f"{choice} {value}" for choice, value in choices.items() if value)
        console.print(f"{title}: nothing in this span{chosen and f' for {chosen}'}")
        return
    heads = [column.replace("_", " ") for column in found.columns]
    first = dict(zip(heads, found.rows[0], strict=True))
    console.print(
        table(
            title,
            heads,
            [[_short(cell, head) for cell, head in zip(row, heads, strict=True)] for row in found.rows],
            right=[head for head, cell in first.items() if _is_number(cell)],
            whole=[head for head, cell in first.items() if isinstance(cell, datetime | UUID)],
        )
    )
    if len(found.rows) == question.limit:
        console.print(f"the first {question.limit} rows; --limit for more")
    for line in picture_of(name, found, console.width):
        console.print(line)


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _short(cell: Any, head: str) -> Any:
    """For people: local time to the second, whole milliseconds, yes and no."""
    if isinstance(cell, datetime):
        return _utc(cell).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if cell is None or cell != cell:
        return ""
    return round(cell) if isinstance(cell, float) and head.endswith(" ms") else cell


def _told(cell: Any) -> Any:
    """For programs: times in UTC, as ISO 8601; ids as text."""
    if isinstance(cell, datetime):
        return _utc(cell).isoformat().replace("+00:00", "Z")
    if cell is None or isinstance(cell, str | int | float):
        return cell
    return str(cell)


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
