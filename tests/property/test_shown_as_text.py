"""Edge: whatever came from outside is shown as text, by every command that shows any of it, and never raises."""

import asyncio
import contextlib
import dataclasses
import io
import json
import logging
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.connector_states import ConnectorState
from schemas.gateway.accounts import Account
from schemas.gateway.connectors.smpp import SmppConnector
from schemas.gateway.file import AppliedConfig, Gateway
from schemas.gateway.values import SecretRef
from schemas.service_states import ServiceState
from schemas.statuses import Status
from schemas.traces import TraceLine
from services.cli import app
from services.cli.commands import config, connectors, dlq, preview, receipts, report, send, status, topics, trace, track
from services.cli.demo import demo
from services.cli.demo.reconcile import Reconciliation
from services.cli.output import console, styled, table, tell, tell_json
from shared.operations.beats import Beat
from shared.operations.connectors import ConnectorStatus
from shared.operations.dead_letters import DeadLetter, DeadLetterTopic
from shared.operations.errors import ManyInvalid, Refused
from shared.operations.groups import GroupMember
from shared.operations.health import Health
from shared.operations.receipts import Orphan
from shared.operations.report import ConnectorNumbers, ReasonCount, Report
from shared.operations.topics import TopicStatus
from shared.operations.track import Life, LifeStep
from shared.process.log_lines import INDENT, LogLines
from shared.process.visible import UNSAFE, visible

FORGED = "FORGED"
NASTY = (
    "[/x]", "[red]", "[bold", "]", "\\[", ":smile:", "\x1b[31m", "\x1b]0;title\x07", "\x00", "\x7f", "\x9b2J", "\u202e",
    "\u2066", "\u200b", "\ufeff", "\u2028", "\ud800", "\udfff", "\U000e0041", f"\n{FORGED}", f"\r{FORGED}",
    f"\x85{FORGED}", "\t", "{}", "%s",
)  # fmt: skip
HOSTILE = st.lists(st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=()), max_size=8), max_size=6).map(
    "".join
)
SHOWS = settings(max_examples=25, deadline=None)


def filled(model: type, text: str, **fields: Any) -> Any:
    """An instance with `text` in every field that is a text and is not given."""
    for field in dataclasses.fields(model):
        kind = str(field.type)
        value: Any = (text,) if "tuple" in kind else text if "str" in kind or "State" in kind else 7
        fields.setdefault(field.name, value)
    return model(**fields)


@contextlib.contextmanager
def terminal() -> Iterator[tuple[io.StringIO, io.StringIO]]:
    """Output as octets of UTF-8 would be: what cannot be encoded is an error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield out, err


def check(shown: str) -> None:
    """Line ends are those of the layout; no text begins a line of its own."""
    shown.encode()
    assert UNSAFE.search(shown.replace("\n", "")) is None
    assert not any(line.startswith(FORGED) for line in shown.splitlines())


def check_json(shown: str) -> None:
    check(shown)
    for line in shown.splitlines():
        json.loads(line)


def runtime(_: Path | None) -> Any:
    return SimpleNamespace(settings=None, knows_clickhouse=True)


def wire(text: str) -> tuple[ServiceState, ConnectorState, TraceLine, Status]:
    beat = ServiceState(
        service=text, instance=text, pid=1, beat_at_ms=1, started_at_ms=1, ready=True, progress_at_ms=1,
        config_hash=text, last_error=text,
    )  # fmt: skip
    bind = ConnectorState(connector_id=text, partition=0, state="bound", owner=text, epoch=1, since_ms=1, reason=text)
    line = TraceLine(
        connector_id=text, request_id=text, kind="pdu", partition=0, bind="receiver", owner=text, at_ms=10**18,
        peer=text, command=text, status=text, message_id=text, fields={"text": text, "f": text}, skipped=1,
    )  # fmt: skip
    ended = Status(
        status_id=text, message_id=text, status="rejected", final=True, reason=text, field=text,
        accepted_at_ms=1, occurred_at_ms=1,
    )  # fmt: skip
    return beat, bind, line, ended


def _applied(text: str) -> Any:
    """A configuration as it is applied; what the file may say and nothing checks is the text (YAML has no halves)."""
    text = text.encode("utf-8", "replace").decode()
    smpp = SmppConnector(
        id="a-1", host=text or "h", port=1, system_id=text, password=SecretRef(file=text or "f"), max_binds=1
    )
    gateway = Gateway(version=1, connectors=(smpp,), accounts=(Account(id="shop"),), routes=())
    return AppliedConfig(hash="h", applied_at_ms=1, gateway=gateway)


def answer(value: Any) -> Callable[..., Any]:
    async def answered(*_: Any, **__: Any) -> Any:
        return value

    return answered


def commands(text: str) -> dict[str, tuple[dict[str, Any], Callable[[bool], Any]]]:
    """By name: what is put in place of its questions, and how it is run (as JSON or not)."""
    beat, bind, _, ended = wire(text)
    health = Health(1, [Beat(beat, 0)], [bind], text, text, [text])
    state = dict.fromkeys(
        ("account_id", "to", "sender", "country", "lane", "encoding", "status", "reason", "connector_id"), text
    )
    life = Life(text, state, [filled(LifeStep, text), filled(LifeStep, text)])
    numbers = filled(ConnectorNumbers, text, p50=float("nan"), p95=None, p99=1.5)
    at = "services.cli.commands."
    message_id = "019f0000-0000-7000-8000-000000000001"
    return {
        "status": ({at + "status.look": answer(health)}, lambda j: status.run(None, wait_s=0, as_json=j)),
        "track": (
            {at + "track.track": answer(life), at + "track.find_clickhouse": runtime},
            lambda j: track.run(message_id, None, wait_s=0, as_json=j),
        ),
        "report": (
            {at + "report.read_report": lambda *_: Report([numbers], [filled(ReasonCount, text)]),
             at + "report.find_clickhouse": runtime},
            lambda j: report.run(None, since="1h", campaign=text, as_json=j),
        ),
        "dlq list": (
            {"shared.operations.dead_letters.dead_letter_topics": answer([filled(DeadLetterTopic, text)])},
            lambda j: dlq.summary(None, as_json=j),
        ),
        "dlq show": (
            {"shared.operations.dead_letters.newest_dead_letters": answer([filled(DeadLetter, text)])},
            lambda j: dlq.show(text, None, limit=3, as_json=j),
        ),
        "receipts orphans": (
            {at + "receipts.read_orphans": lambda *_: [filled(Orphan, text, raw={"source_addr": text})],
             at + "receipts.find_clickhouse": runtime},
            lambda j: receipts.orphans(None, since="1h", connector=text, limit=3, as_json=j),
        ),
        "connectors": (
            {at + "connectors.connector_statuses": answer([filled(ConnectorStatus, text)])},
            lambda j: connectors.run(None, as_json=j),
        ),
        "topics list": (
            {"shared.operations.topics.topic_statuses": answer([filled(TopicStatus, text)])},
            lambda j: topics.show(None, as_json=j),
        ),
        "topics members": (
            {"shared.operations.groups.group_members": answer([filled(GroupMember, text)])},
            lambda j: topics.members(None, None, as_json=j),
        ),
        "topics prune": (
            {"shared.operations.topics.prune": answer([text])}, lambda j: topics.prune(text, None, as_json=j),
        ),
        "config show": (
            {at + "config.read_applied": answer(_applied(text))}, lambda j: config.show(None, as_json=j),
        ),
        "send": ({}, lambda j: answer(send._tell(message_id, ended, 1, as_json=j))()),
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(commands("")))
@pytest.mark.parametrize("as_json", [False, True])
@SHOWS
@given(text=HOSTILE)
def test_every_command_shows_fields_as_text(name: str, as_json: bool, text: str) -> None:
    replaced, run = commands(text)[name]
    with contextlib.ExitStack() as stack:
        for module in ("config", "status", "dlq", "connectors", "topics"):
            stack.enter_context(patch(f"services.cli.commands.{module}.find_runtime", runtime))
        for target, value in replaced.items():
            stack.enter_context(patch(target, value))
        out, err = stack.enter_context(terminal())
        asyncio.run(run(as_json))
    (check_json if as_json else check)(out.getvalue())
    assert err.getvalue() == ""


@SHOWS
@given(HOSTILE)
def test_what_is_followed_or_summed_up_is_text_too(text: str) -> None:
    _, bind, line, _ = wire(text)
    result = Reconciliation(1, 1, {text: 1}, 1, 1, {text: 1}, [text], [text], [text])
    with terminal() as (out, err):
        screen = trace._Screen(text, as_json=False)
        screen.line(line)
        screen.line(line.model_copy(update={"kind": "began"}))
        screen.bind(bind)
        screen.remark("not_bound")
        demo._print(result, 1, 1)
        tell(f"kafka: {text}")
        tell(f"\nkafka: {text}.\n")
        console.print(text, style="bold", markup=True, end="\n")
        console.print(styled((text, "red"), text))
        console.print(table(text, [text], [[text]]))
    check(out.getvalue())
    check(err.getvalue())
    with terminal() as (out, _):
        trace._Screen(text, as_json=True).line(line)
        tell_json({text: text, "deep": [{"x": (text, float("inf"))}]})
    check_json(out.getvalue())


@SHOWS
@given(HOSTILE)
def test_a_text_that_is_previewed(text: str) -> None:
    for as_json in (False, True):
        with terminal() as (out, _), contextlib.suppress(ManyInvalid):
            options = preview.PreviewOptions(text="-")
            with patch("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text.encode("utf-8", "replace")))):
                asyncio.run(preview.run(options, octets=True, as_json=as_json))
        (check_json if as_json else check)(out.getvalue())


@SHOWS
@given(HOSTILE)
def test_an_error_is_text(text: str) -> None:
    for error in (Refused(f"no: {text}", text), ManyInvalid([f"file: {text}", f"file: {text}"])):
        with terminal() as (_, err), patch.object(app, "app", side_effect=error), pytest.raises(SystemExit):
            app.main()
        check(err.getvalue())
        assert err.getvalue().startswith("error: ")
        assert len(err.getvalue().splitlines()) == 1 + (isinstance(error, ManyInvalid) or bool(text))


def test_markup_is_shown_and_not_obeyed() -> None:
    with terminal() as (out, _):
        console.print("a [red]b[/red] [/x] :smile: \\[c]")
        console.print(table("[bold]t", ["[dim]c"], [["[/x]xxxxxxxx"]]))
    assert [line.rstrip() for line in out.getvalue().splitlines()] == [
        "a [red]b[/red] [/x] :smile: \\[c]",
        "[bold]t",
        "[dim]c",
        "[/x]xxxxxxxx",
    ]


def test_each_is_shown_by_its_code() -> None:
    assert visible("\x1b[31m\n\u202e\x9b\ud800\U000e0041é\\") == "\\x1b[31m\\n\\u202e\\x9b\\ud800\\U000e0041é\\"


def test_every_character_of_the_kind_is_one() -> None:
    kinds = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    found = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in kinds]
    assert [hex(ord(character)) for character in found if not UNSAFE.fullmatch(character)] == []
    assert not UNSAFE.search("aé漢ع😀\u0301\ufe0f ")


def log_line(text: str, error: BaseException | None) -> str:
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("of", logging.INFO, "", 1, "told: %s", (text,), info)
    return LogLines("%(asctime)s %(levelname)s x %(name)s: %(message)s").format(record)


@SHOWS
@given(HOSTILE)
def test_a_log_line_cannot_be_forged(text: str) -> None:
    shown = log_line(text, None)
    check(shown)
    assert "\n" not in shown
    try:
        raise ValueError(text)
    except ValueError as error:
        first, *others = log_line(text, error).split("\n")
    assert all(line.startswith(INDENT) for line in others)
    check("\n".join([first, *others]))


@pytest.mark.parametrize(
    ("logged", "shown"),
    [("to +447700900123.", "to +4477…23."), ("447700900123 x", "44770…23 x"), ("+37060112345", "+3706…45"),
     ("offset 1234567890123", "offset 1234567890123"), ("pid 1234567", "pid 1234567"),
     ("019f0000-0000-7000-8000-000000000001", "019f0000-0000-7000-8000-000000000001"),
     ("acme-4477009001234", "acme-4477009001234"), ("at 1790000000.5", "at 1790000000.5")],
)  # fmt: skip
def test_numbers_are_masked_in_logs(logged: str, shown: str) -> None:
    assert log_line(logged, None).partition("told: ")[2] == shown
