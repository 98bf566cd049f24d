"""Edge: every named report has its SQL, which takes what it is given and knows the words of today."""

import re
from pathlib import Path

from schemas.reasons import REASONS
from shared.operations.named_reports import REPORTS, Question, parameters, sql_of
from shared.smpp.constants import SmppCommandStatus

FOLDER = Path(__file__).parents[2] / "schemas" / "clickhouse" / "reports"


def lists(sql: str) -> dict[str, list[str]]:
    """The arrays of words of a query, by name."""
    return {
        name: [word.replace("''", "'") for word in re.findall(r"'((?:[^']|'')*)'", body)]
        for body, name in re.findall(r"\[\s*('.*?)\s*\] AS (\w+)", sql, re.DOTALL)
    }


def test_files_and_names_are_the_same() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == set(REPORTS)


def test_every_parameter_is_given() -> None:
    given = set(parameters(Question(0)))
    for name in REPORTS:
        asked = set(re.findall(r"\{(\w+):", sql_of(name)))
        assert asked <= given, name
        assert {"limit"} <= asked, name
        assert ("what" in asked) == bool(REPORTS[name].what), name


def test_every_query_says_what_it_tells_and_what_it_costs() -> None:
    for name in REPORTS:
        comment = re.match(r"(?:-- .*\n)+", sql_of(name))
        assert comment is not None, name
        assert "\n-- Cost: " in comment[0], name


def test_errors_have_the_meanings_of_the_code() -> None:
    found = lists(sql_of("errors"))
    assert dict(zip(found["reasons"], found["reason_meanings"], strict=True)) == REASONS
    named = {f"0x{status.value:08x}": status.name for status in SmppCommandStatus if status}
    assert dict(zip(found["statuses"], found["status_names"], strict=True)) == named
