"""Pure: lengths of time, and the report for people."""

import io

import pytest
from rich.console import Console

from services.cli.commands.report import render
from services.cli.commands.typed import seconds_of
from services.cli.errors import EXIT_USAGE, exit_code_of
from shared.operations.errors import Invalid
from shared.operations.report import ConnectorNumbers, ReasonCount, Report


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("24h", 86_400), ("7d", 604_800)])
def test_lengths_of_time(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "h", "-1h", "1.5h", "1w", "24h ", "1000000d"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        seconds_of(text)
    assert exit_code_of(caught.value) == EXIT_USAGE
    assert repr(text) in str(caught.value)


def test_the_report_shows_what_was_accepted_and_leaves_out_what_is_not_known() -> None:
    row = ConnectorNumbers(
        connector_id="", country="", messages=10, segments_sum=12, rejected=3, submitted=7,
        delivered=5, failed=1, unknown=1, pending=0, p50=12.4, p95=float("nan"), p99=None,
    )  # fmt: skip
    reasons = [ReasonCount("rejected", "no_route", 3)]
    out = io.StringIO()
    Console(file=out, width=200).print(render(Report([row], reasons)))
    cells = [line.split() for line in out.getvalue().splitlines()]
    assert ["(none)", "?", "7", "12", "3", "7", "5", "1", "1", "0", "12"] in cells
    assert ["rejected", "no_route", "3"] in cells
