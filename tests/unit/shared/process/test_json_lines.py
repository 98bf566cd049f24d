"""A line of a log as JSON."""

import json
import logging
import sys

from shared.process.log_lines import JsonLines

MESSAGE = "01a20bb9-c3d6-7312-849d-5ee85274ab44"


def line(text: str, *arguments: object, failed: bool = False) -> dict[str, str]:
    lines = JsonLines("binder", "0", {MESSAGE: "ab" * 16}.get)  # type: ignore[arg-type]  # "" and None are alike
    exc_info = None
    if failed:
        try:
            raise ValueError("no such number: +447700900123")
        except ValueError:
            exc_info = sys.exc_info()
    record = logging.LogRecord("services.binder", logging.WARNING, __file__, 1, text, arguments, exc_info)
    record.created = 1_790_000_000.25
    shown = lines.format(record)
    assert "\n" not in shown
    found: dict[str, str] = json.loads(shown)
    return found


def test_it_says_what_and_who_and_when() -> None:
    assert line("%s is bound", "acme-1") == {
        "time": "2026-09-21T14:13:20.250Z", "level": "WARNING", "service": "binder", "instance": "0",
        "logger": "services.binder", "message": "acme-1 is bound",
    }  # fmt: skip


def test_it_names_the_message_and_its_trace() -> None:
    assert line("%s/0/1/1 has no answer", MESSAGE)["message_id"] == MESSAGE
    assert line("%s/0/1/1 has no answer", MESSAGE)["trace_id"] == "ab" * 16
    assert "trace_id" not in line("01a20bb9-c3d6-7312-849d-5ee85274ab45 has no answer")


def test_numbers_are_masked_and_lines_stay_one() -> None:
    found = line("to +447700900123\nand \x1b[31m more", failed=True)
    assert found["message"] == "to +4477…23\nand \x1b[31m more"
    assert "7700900123" not in json.dumps(found)
    assert "ValueError" in found["exception"]
