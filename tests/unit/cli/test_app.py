"""Edge: how commands end without a broker: exit codes, one sentence, no traceback."""

import json
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from schemas.topics import TOPICS
from services.cli import app
from services.cli.runtime import CLICKHOUSE_VARIABLE, KAFKA_VARIABLE
from shared.local.ports import free_port


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str


Smsgw = Callable[..., Ended]


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
    logging.disable(logging.NOTSET)
    signal.signal(signal.SIGTERM, terminate)


@pytest.mark.parametrize(
    "command",
    [["status"], ["report"], ["send", "+447700900123", "x"], ["config", "show"], ["connectors"], ["dlq", "list"],
     ["topics", "list"], ["track", "019f0000-0000-7000-8000-000000000001"]],
)  # fmt: skip
def test_without_a_running_gateway_commands_say_so(smsgw: Smsgw, command: list[str], tmp_path: Path) -> None:
    ended = smsgw(*command)
    assert ended.code == 3
    first, hint = ended.err.splitlines()
    assert first == f"error: no running gateway is known in {tmp_path / '.smsgw'}"
    assert "smsgw up" in hint
    assert ended.out == ""


def test_a_kafka_that_does_not_answer_is_one_sentence(smsgw: Smsgw, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv(KAFKA_VARIABLE, address)
    ended = smsgw("status")
    assert ended.code == 3
    assert ended.err.startswith(f"error: Kafka at {address} does not answer: ")
    assert len(ended.err.splitlines()) == 2


def test_a_wrong_environment_is_wrong_usage(smsgw: Smsgw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KAFKA_VARIABLE, "127.0.0.1:1")
    monkeypatch.setenv("SMSGW_HTTP_PORT", "http")
    ended = smsgw("status")
    assert ended.code == 2
    assert "SMSGW_HTTP_PORT: " in ended.err


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


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_configuration_that_cannot_be_read(smsgw: Smsgw, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "gateway.yaml").write_bytes(content)
    ended = smsgw("config", "apply", "gateway.yaml")
    assert ended.code == 2
    assert ended.err.startswith("error: cannot read gateway.yaml: ")


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
        (["track", "17"], "'17' is no message_id"),
        (["report", "--since", "yesterday"], "'yesterday' is no length of time"),
        (["preview", "x", "--encoding", "utf8"], "--encoding: 'utf8' is unknown"),
        (["preview"], "give a text or --file"),
        (["nonsense"], "No such command 'nonsense'"),
        (["send"], "Missing argument 'to'"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    smsgw: Smsgw, arguments: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if arguments[0] == "report":
        monkeypatch.setenv(KAFKA_VARIABLE, "127.0.0.1:1")
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
    printed = smsgw("schema", "export")
    assert (printed.code, json.loads(printed.out)["mt.requests"]) == (0, request)


def test_schema_export_where_nothing_can_be_written(smsgw: Smsgw, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = smsgw("schema", "export", "-o", "file")
    assert (ended.code, ended.err.splitlines()[0]) == (1, "error: cannot write to file: File exists")


def test_preview_needs_nothing_that_runs(smsgw: Smsgw) -> None:
    ended = smsgw("preview", "Grüße aus 北京", "--json")
    assert ended.code == 0
    assert json.loads(ended.out)["segments"]


def test_the_env_file_of_the_folder_counts_where_the_environment_says_nothing(smsgw: Smsgw, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SMSGW_DATA_DIR=elsewhere\n")
    assert str(tmp_path / "elsewhere") in smsgw("status").err


def test_the_command_itself(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "services.cli", "status"],
        cwd=tmp_path, env={"PATH": "", "PYTHONPATH": str(Path(__file__).parents[3])}, capture_output=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 3
    assert ended.stderr.decode().startswith("error: no running gateway is known in ")
