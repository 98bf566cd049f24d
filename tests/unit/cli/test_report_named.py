"""Unit tests of named reports: what is asked for, and how it is shown."""

from datetime import UTC, datetime, timedelta

import pytest

from services.cli.commands.report_named import Typed, question_of
from services.cli.commands.report_pictures import picture_of
from services.cli.output import print_csv
from shared.operations.errors import Invalid
from shared.operations.named_reports import FOR_EVER_S, Found, step_for

NOW_S = 1_800_000_000


def test_a_span_is_in_times_ago_or_in_dates() -> None:
    question = question_of(Typed("delivery", since="2d", until="90m"), NOW_S)
    assert (question.since_s, question.until_s) == (NOW_S - 172_800, NOW_S - 5400)
    question = question_of(Typed("delivery", since="2026-11-30T14:05+00:00", until="2026-12-01T00:00Z"), NOW_S)
    assert (question.since_s, question.until_s) == (1_796_047_500, 1_796_083_200)
    question = question_of(Typed("delivery"), NOW_S)
    assert (question.since_s, question.until_s) == (NOW_S - 86_400, FOR_EVER_S)


@pytest.mark.parametrize(
    "typed",
    [
        Typed("nonsense"), Typed("delivery", "what"), Typed("message"), Typed("number"), Typed("message", "no-uuid"),
        Typed("delivery", since="yesterday"), Typed("delivery", until="24"), Typed("delivery", since="1h", until="2h"),
        Typed("senders", unclaimed=True), Typed("throughput", step="30s"), Typed("throughput", step="2026-11-30"),
        Typed("delivery", step="5m"), Typed("delivery", country="Germany"), Typed("number", "\x1b[2J44"),
        Typed("number", "nobody"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant(typed: Typed) -> None:
    with pytest.raises(Invalid):
        question_of(typed, NOW_S)


def test_a_number_is_looked_for_as_it_is_stored() -> None:
    assert question_of(Typed("number", "+44 7700 900123"), NOW_S).what == "447700900123"


def test_steps_are_as_long_as_the_span_wants() -> None:
    assert [step_for(span) for span in (600, 6000, 6001, 86_400, 30 * 86_400)] == [60, 60, 300, 900, 86_400]
    assert question_of(Typed("throughput", since="1h", step="5m"), NOW_S).step_s == 300
    assert question_of(Typed("throughput", since="7d"), NOW_S).step_s == 14_400


def test_csv_is_a_table_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_csv(["a", "b"], [["=cmd()", "+447700900123"], ['say "hi", you', None], ["\x1b[2J\n", float("nan")]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["a,b", "'=cmd(),+447700900123", '"say ""hi"", you",']
    assert len(lines) == 4
    assert "\x1b" not in lines[3]


def test_messages_over_time_are_a_picture() -> None:
    start = datetime(2026, 11, 30, tzinfo=UTC)
    rows = [(start + timedelta(hours=hour), 100 * hour, 0, 0, 90 * hour, 0.1) for hour in range(24)]
    found = Found(("time", "messages", "segments", "submitted", "delivered", "messages_per_s"), list(rows))
    lines = picture_of("throughput", found, 100)
    assert any("2300 |" in line for line in lines)
    assert any(0x2801 <= ord(letter) <= 0x28FF for line in lines for letter in line), "there are dots"
    assert max(map(len, lines)) <= 100
    assert picture_of("throughput", Found(found.columns, list(rows[:1])), 100) == []


def test_bars_are_as_long_as_their_numbers() -> None:
    found = Found(("encoding", "segments_each", "messages"), [("gsm7", 1, 100), ("ucs2", 2, 50), ("ucs2", 3, 0)])
    lines = picture_of("segments", found, 64)
    assert [line.count("█") for line in lines[2:]] == [40, 20, 0]
    assert picture_of("segments", Found(found.columns, found.rows[:1]), 64) == []
    assert picture_of("delivery", found, 64) == []


def test_a_bar_is_one_error_however_messages_ended() -> None:
    columns = ("connector_id", "smsc_error", "reason", "status", "messages")
    rows = [("a", "1", "x", "undeliverable", 6), ("a", "1", "x", "partially_delivered", 4), ("b", "2", "y", "", 5)]
    lines = picture_of("errors", Found(columns, list(rows)), 64)
    assert [(line[:5], line.count("█")) for line in lines[2:]] == [("a 1 x", 40), ("b 2 y", 20)]
