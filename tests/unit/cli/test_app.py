"""Edge: how commands end without a broker: exit codes, one sentence, no traceback."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from schemas.topics import TOPICS
from services.cli import app, entry, runtime
from services.cli.runtime import CLICKHOUSE_VARIABLE, KAFKA_VARIABLE
from services.cli.up.run_file import RunFile, write_run_file
from shared.local.ports import free_port


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str


Smsgw = Callable[..., Ended]


def walk(group: typer.Typer, before: str = "") -> list[str]:
    """Every command that can be typed."""
    found = [f"{before}{command.name}" for command in group.registered_commands]
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        found += walk(inner.typer_instance, f"{before}{inner.name} ")
    return found


@pytest.fixture
def smsgw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Smsgw]:
    """The command in this process, in an empty folder and with nothing of ours in the environment."""
    for name in (KAFKA_VARIABLE, CLICKHOUSE_VARIABLE, "SMSGW_DATA_DIR", "SMSGW_INSTANCE", "SMSGW_SIMULATOR_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    terminate = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["smsgw", *arguments])
        with pytest.raises(SystemExit) as ended:
            app.main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0, captured.out, captured.err)

    yield run
    signal.signal(signal.SIGTERM, terminate)


@pytest.mark.parametrize(
    "command",
    [["status"], ["report"], ["send", "+447700900123", "x"], ["config", "show"], ["connectors"], ["dlq", "list"],
     ["topics", "list"], ["topics"], ["topics", "--json"], ["trace", "acme-1"],
     ["track", "019f0000-0000-7000-8000-000000000001"]],
)  # fmt: skip
def test_without_a_running_gateway_commands_say_so(smsgw: Smsgw, command: list[str], tmp_path: Path) -> None:
    ended = smsgw(*command)
    assert ended.code == 3
    first, hint = ended.err.splitlines()
    assert first == f"error: no running gateway is known in {tmp_path / '.smsgw'}"
    assert "smsgw up" in hint
    assert ended.out == ""


@pytest.mark.parametrize("wait", ["nan", "inf", "-1", "-0.5", "soon"])
@pytest.mark.parametrize("command", [["status"], ["send", "+447700900123", "x"], ["track", "x"]])
def test_a_time_to_wait_that_is_none(smsgw: Smsgw, command: list[str], wait: str) -> None:
    ended = smsgw(*command, "--wait", wait)
    assert ended.code == 2
    assert "--wait" in ended.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is full")
@pytest.mark.parametrize("command", [["schema", "export"], ["preview", "x"], ["preview", "x", "--json"], ["--help"]])
def test_an_output_that_is_full_is_one_sentence(command: list[str], tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "services.cli", *command], stdin=subprocess.DEVNULL, stdout=full,
            stderr=subprocess.PIPE, text=True, timeout=30, check=False, env=os.environ | {"COLUMNS": "120"},
        )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (1, "error: cannot write the output: No space left on device\n")


def test_a_gateway_that_does_not_know_its_clickhouse_says_what_to_set(smsgw: Smsgw, tmp_path: Path) -> None:
    (tmp_path / ".smsgw").mkdir()
    write_run_file(tmp_path / ".smsgw", RunFile(os.getpid(), "1", "127.0.0.1:1", ""))
    ended = smsgw("report")
    assert ended.code == 3
    assert ended.err.splitlines() == [
        f"error: {tmp_path / '.smsgw'} does not say where ClickHouse is",
        "set SMSGW_CLICKHOUSE_URL",
    ]


def test_a_kafka_that_does_not_answer_is_one_sentence(smsgw: Smsgw, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv(KAFKA_VARIABLE, address)
    ended = smsgw("status")
    assert ended.code == 3
    sentence = f"error: Kafka at {address} does not answer: nobody listens there, or says anything"
    assert ended.err.splitlines()[0] == sentence
    assert len(ended.err.splitlines()) == 2


def test_a_wrong_environment_is_wrong_usage(smsgw: Smsgw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KAFKA_VARIABLE, "127.0.0.1:1")
    monkeypatch.setenv("SMSGW_HTTP_PORT", "http")
    ended = smsgw("status")
    assert ended.code == 2
    assert "SMSGW_HTTP_PORT: " in ended.err


@pytest.mark.parametrize("command", [["status"], ["up"], ["up", "--only", "encoder"]])
@pytest.mark.parametrize(
    ("name", "value"),
    [("KAFKA_BOOTSTRAP_SERVERS", "foo:bar"), ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"), ("INSTANCE", "a b"),
     ("CLICKHOUSE_URL", "http://h:abc")],
)  # fmt: skip
def test_an_environment_that_is_wrong_is_told_before_anything_is_asked_or_started(
    smsgw: Smsgw, command: list[str], name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KAFKA_VARIABLE, "127.0.0.1:1")
    monkeypatch.setenv(CLICKHOUSE_VARIABLE, "http://127.0.0.1:1")
    monkeypatch.setenv(f"SMSGW_{name}", value)
    ended = smsgw(*command)
    assert ended.code == 2
    assert ended.err.startswith("error: SMSGW_KAFKA_SASL" if value == "SASL_SSL" else f"error: SMSGW_{name}: ")
    assert ended.out == ""


@pytest.mark.parametrize("command", [["report"], ["track", "019f0000-0000-7000-8000-000000000001", "--wait", "0"]])
def test_what_only_queries_needs_no_kafka(smsgw: Smsgw, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CLICKHOUSE_VARIABLE, f"http://127.0.0.1:{free_port()}")
    ended = smsgw(*command)
    assert ended.code == 3
    assert re.fullmatch(
        r"error: ClickHouse at http://127\.0\.0\.1:\d+ does not answer: connection refused\n", ended.err
    )
    monkeypatch.setenv(CLICKHOUSE_VARIABLE, "localhost")
    assert smsgw(*command).code == 2


@pytest.mark.timeout(30)
@pytest.mark.parametrize("command", [["status"], ["send", "+447700900123", "x"], ["topics", "list"]])
def test_a_kafka_that_accepts_and_says_nothing_does_not_answer(
    smsgw: Smsgw, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "REQUEST_TIMEOUT_MS", 1000)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv(KAFKA_VARIABLE, address)
        ended = smsgw(*command)
    assert ended.code == 3
    sentence = f"error: Kafka at {address} does not answer: nobody listens there, or says anything"
    assert ended.err.splitlines()[0] == sentence


def test_a_broken_configuration_is_told_line_by_line_before_anything_is_asked(smsgw: Smsgw, tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("version: 1\nconectors: []\nroutes:\n  - to: [{connector: [a]}]\n")
    ended = smsgw("config", "apply", "broken.yaml")
    assert ended.code == 2
    assert ended.err.splitlines() == [
        "error: broken.yaml: line 2, conectors: is unknown; did you mean connectors? "
        "allowed: accounts, connectors, routes, version",
        "broken.yaml: line 4, routes[0].to[0].connector: must be text; write it in quotes",
        "nothing was changed",
    ]


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "No such file or directory"), (b"\xff\xfe", "it is no text in UTF-8")]
)
def test_a_configuration_that_cannot_be_read(smsgw: Smsgw, tmp_path: Path, content: bytes | None, problem: str) -> None:
    if content is not None:
        (tmp_path / "gateway.yaml").write_bytes(content)
    ended = smsgw("config", "apply", "gateway.yaml")
    assert ended.code == 2
    assert ended.err == f"error: cannot read gateway.yaml: {problem}\n"


def test_up_with_a_broken_configuration_starts_nothing(smsgw: Smsgw, tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("version: 3\n")
    ended = smsgw("up", "--config", "broken.yaml", "--kafka-port", str(free_port()))
    assert ended.code == 2
    assert "line 1, version: input should be 1" in ended.err
    assert "starting" not in ended.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["up", "--only", "nonsense"], "--only: unknown nonsense"),
        (["up", "--only", "encoder"], "nothing says where kafka is"),
        (["up", "--kafka-port", "http"], "should be a valid integer"),
        (["up", "--kafka-port", "0"], "Invalid value for '--kafka-port': Input should be greater than or equal to 1"),
        (["up", "--kafka-port", "70000"], "Invalid value for '--kafka-port': Input should be less than or equal to"),
        (["up", "--clickhouse-port", "-5"], "Invalid value for '--clickhouse-port': Input should be greater"),
        (["track", "17"], "'17' is no message_id"),
        (["trace", "acme-1", "--octets"], "only with --open"),
        (["trace"], "Missing argument 'connector'"),
        (["report", "--since", "yesterday"], "'yesterday' is no length of time"),
        (["preview", "x", "--encoding", "utf8"], "--encoding: 'utf8' is unknown"),
        (["preview"], "give a text or --file"),
        (["nonsense"], "No such command 'nonsense'"),
        (["send"], "Missing argument 'to'"),
        (["send", "+447700900123"], "give a text, or --data"),
    ],
)
def test_wrong_usage_is_exit_code_2(smsgw: Smsgw, arguments: list[str], sentence: str) -> None:
    ended = smsgw(*arguments)
    assert ended.code == 2
    assert sentence in ended.err


def test_up_with_an_address_and_its_port(smsgw: Smsgw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KAFKA_VARIABLE, "127.0.0.1:9092")
    ended = smsgw("up", "--kafka-port", "9092")
    assert ended.code == 2
    assert f"{KAFKA_VARIABLE}=127.0.0.1:9092 and a port for kafka contradict each other" in ended.err


@pytest.mark.parametrize(("option", "what"), [("--kafka-port", "Kafka"), ("--clickhouse-port", "ClickHouse")])
def test_up_on_a_taken_port_names_it(smsgw: Smsgw, option: str, what: str) -> None:
    other = "--clickhouse-port" if option == "--kafka-port" else "--kafka-port"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        ended = smsgw("up", option, str(port), other, str(free_port()), "--no-simulator")
    assert ended.code == 1
    assert f"error: port {port} for {what} is taken by another program" in ended.err
    assert f"choose another with {option}" in ended.err
    assert "starting" not in ended.out


def test_up_where_nothing_can_be_written(smsgw: Smsgw, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = smsgw("up", "--data-dir", "file/below")
    assert ended.code == 1
    assert ended.err.startswith(f"error: cannot use {tmp_path / 'file' / 'below'}: ")


def test_schema_export_writes_a_file_a_topic(smsgw: Smsgw, tmp_path: Path) -> None:
    ended = smsgw("schema", "export", "-o", "made/here")
    assert ended.code == 0
    files = {file.name for file in (tmp_path / "made" / "here").iterdir()}
    assert files == {f"{topic.name.replace('<connector>', 'CONNECTOR')}.json" for topic in TOPICS}
    request = json.loads((tmp_path / "made" / "here" / "mt.requests.json").read_text(encoding="utf-8"))
    assert {"from", "to", "text", "account_id"} <= set(request["properties"])
    told = json.loads(smsgw("schema", "export", "-o", "made/here", "--json").out)
    assert {Path(file).name for file in told["files"]} == files
    printed = smsgw("schema", "export")
    assert (printed.code, json.loads(printed.out)["mt.requests"]) == (0, request)


def test_schema_export_where_nothing_can_be_written(smsgw: Smsgw, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = smsgw("schema", "export", "-o", "file")
    assert (ended.code, ended.err.splitlines()[0]) == (1, "error: cannot write to file: File exists")


def test_the_benchmark_gets_its_options(smsgw: Smsgw, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def run(command: list[str], *, check: bool) -> "subprocess.CompletedProcess[str]":
        ran.append(command[1:])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    assert smsgw("bench", "--steady", "5", "--json").code == 0
    assert ran == [["-m", "tests.bench", "--steady", "5", "--json"]]


@pytest.mark.parametrize("command", [c for c in walk(app.app) if c != "preview"])
def test_every_command_has_json(smsgw: Smsgw, command: str) -> None:
    ended = smsgw(*command.split(), "--help")
    assert ended.code == 0
    assert "--json" in ended.out


def test_help_shows_what_stands_in_brackets(smsgw: Smsgw, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the library that prints it, brackets are markup unless they are escaped, and are left out."""
    monkeypatch.setenv("COLUMNS", "400")
    commands = typer.main.get_command(app.app).commands  # type: ignore[attr-defined] # of a group
    for name, command in commands.items():
        shown = smsgw(name, "--help").out
        for parameter in command.params:
            for default in re.findall(r"\[[^]]+\]", getattr(parameter, "help", None) or ""):
                assert default in shown, (name, parameter.name)


def test_preview_needs_nothing_that_runs(smsgw: Smsgw) -> None:
    ended = smsgw("preview", "Grüße aus 北京", "--json")
    assert ended.code == 0
    assert json.loads(ended.out)["segments"]


def test_the_env_file_of_the_folder_counts_where_the_environment_says_nothing(smsgw: Smsgw, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SMSGW_DATA_DIR=elsewhere\n")
    assert str(tmp_path / "elsewhere") in smsgw("status").err


def test_the_env_file_has_the_passwords_of_connectors_too_and_decides_nothing_else(
    smsgw: Smsgw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SMSGW_SECRET_ACME", "PYTHONPATH", "LD_PRELOAD"):
        monkeypatch.setenv(name, "")  # so that it is as it was when the test is over
        monkeypatch.delenv(name)
    (tmp_path / ".env").write_text("SMSGW_SECRET_ACME=sesame\nPYTHONPATH=/evil\nLD_PRELOAD=/evil.so\n")
    smsgw("status")
    assert os.environ["SMSGW_SECRET_ACME"] == "sesame"
    assert "PYTHONPATH" not in os.environ
    assert "LD_PRELOAD" not in os.environ


def test_an_env_file_that_is_no_text_is_one_sentence(smsgw: Smsgw, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"SMSGW_DATA_DIR=\xff\xfe\n")
    ended = smsgw("status")
    assert (ended.code, ended.err) == (2, f"error: {tmp_path / '.env'} is no text in UTF-8\n")


def test_the_demo_forgets_every_address_that_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KAFKA_VARIABLE, "127.0.0.1:1")
    monkeypatch.setenv("SMSGW_SIMULATOR_PORT", "1")
    monkeypatch.setenv("SMSGW_CACHE_DIR", "/somewhere")
    runtime.forget_environment()
    assert [name for name in os.environ if name.startswith("SMSGW_")] == ["SMSGW_CACHE_DIR"]


def test_windows_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "error: smsgw runs on Linux and macOS; on Windows use WSL\n"


def test_the_command_itself(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "services.cli", "status"],
        cwd=tmp_path, env={"PATH": "", "PYTHONPATH": str(Path(__file__).parents[3])}, capture_output=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 3
    assert ended.stderr.decode().startswith("error: no running gateway is known in ")
