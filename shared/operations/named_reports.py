"""Edge: reports with a name. The SQL of each is a file in schemas/clickhouse/reports, with all its parameters."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from shared.operations.clickhouse_access import clickhouse, clickhouse_errors
from shared.operations.errors import Invalid
from shared.process.settings import ClickHouseSettings

DAY_S: Final = 86_400
FOR_EVER_S: Final = 4_102_444_800
"""2100: the end of a span that has none."""
STEPS_S: Final = (60, 300, 900, 3600, 14_400, 86_400)
POINTS_MAX: Final = 100
"""Steps of a span that a person can look at."""
TIMEOUT_S: Final = 60


@dataclass(frozen=True, slots=True)
class NamedReport:
    """What a report is about. `what`: the one thing it is of, as a person calls it, where it is of one; `needs_what`:
    it cannot do without. `since_s`: how far back it looks where nothing is said."""

    title: str
    since_s: int = DAY_S
    what: str = ""
    needs_what: bool = False


REPORTS: Final[Mapping[str, NamedReport]] = {
    "delivery": NamedReport("Messages by hour, connector and country"),
    "senders": NamedReport("Messages by sender"),
    "latency": NamedReport("Milliseconds from submit to delivered"),
    "errors": NamedReport("Why messages were not delivered"),
    "throughput": NamedReport("Messages over time"),
    "message": NamedReport("Events of a message", FOR_EVER_S, "message_id", needs_what=True),
    "number": NamedReport("Messages to a number", FOR_EVER_S, "number", needs_what=True),
    "campaign": NamedReport("Messages by campaign", 30 * DAY_S, "campaign_id"),
    "missing": NamedReport("Receipts that have not come", 3 * DAY_S),
    "stuck": NamedReport("Messages without an end that nothing is heard of", 30 * DAY_S),
    "inbound": NamedReport("Messages from handsets"),
    "optouts": NamedReport("Opt-outs by day", 30 * DAY_S),
    "segments": NamedReport("Alphabets and segments"),
}


@dataclass(frozen=True, slots=True)
class Question:
    """What a report is asked for. Epoch seconds; `until_s` is the first that is out. Empty texts choose nothing."""

    since_s: int
    until_s: int = FOR_EVER_S
    what: str = ""
    account: str = ""
    connector: str = ""
    country: str = ""
    unclaimed: bool = False
    step_s: int = 3600
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of a report, in its order, and the names of its columns."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def named(name: str) -> NamedReport:
    """Raises `Invalid` for a name that no report has."""
    if name not in REPORTS:
        raise Invalid(f"there is no report {name!r}", f"reports: {', '.join(REPORTS)}")
    return REPORTS[name]


def sql_of(name: str) -> str:
    """The query of a report; its parameters are the fields of `Question`."""
    return (files("schemas") / "clickhouse" / "reports" / f"{name}.sql").read_text("utf-8")


def step_for(span_s: int) -> int:
    """The shortest step that leaves no more than POINTS_MAX of them."""
    return next((step for step in STEPS_S if span_s <= step * POINTS_MAX), STEPS_S[-1])


def parameters(question: Question) -> dict[str, Any]:
    """By name, as the queries have them."""
    return {
        "since_s": max(question.since_s, 0), "until_s": question.until_s, "what": question.what,
        "account": question.account,
        "connector": question.connector, "country": question.country.upper(), "unclaimed": int(question.unclaimed),
        "step_s": question.step_s, "limit": question.limit,
    }  # fmt: skip


def read_named_report(settings: ClickHouseSettings, name: str, question: Question) -> Found:
    """Run a report. Blocks; raises `Unreachable`, and `Invalid` for a name that no report has."""
    named(name)
    with closing(clickhouse(settings)) as client, clickhouse_errors(settings):
        result = client.query(sql_of(name), parameters=parameters(question), settings={"max_execution_time": TIMEOUT_S})
    return Found(tuple(result.column_names), [tuple(row) for row in result.result_rows])
