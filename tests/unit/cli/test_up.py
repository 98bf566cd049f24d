"""Edge: the options of `smsgw up`."""

import os
from pathlib import Path

import pytest

from services.cli.up.run_file import RunFile, write_run_file
from services.cli.up.stack import ALL, SIMULATOR, Stack, StackOptions
from services.cli.up.up import UpPorts, options_of
from shared.operations.errors import Invalid
from shared.process.clock import now_ms


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SIMULATOR_PORT", "SIMULATOR_SCENARIO", "INSTANCE", "DATA_DIR", "KAFKA_BOOTSTRAP_SERVERS",
                 "CLICKHOUSE_URL"):  # fmt: skip
        monkeypatch.delenv(f"SMSGW_{name}", raising=False)


def options(only: str | None = None, *, simulator: bool = True, data_dir: Path | None = None) -> StackOptions:
    return options_of(None, data_dir, UpPorts(), simulator=simulator, only=only)


def test_everything_unless_said_otherwise() -> None:
    made = options()
    assert (made.only, made.instance, made.surplus) == (frozenset(ALL), "0", False)
    assert made.data_dir == Path.cwd() / ".smsgw"
    assert options(simulator=False).only == frozenset(ALL) - {SIMULATOR}


def test_beside_others_it_gets_an_instance_id_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert options("encoder").instance == "", "the Kafka of another `up`"
    monkeypatch.setenv("SMSGW_KAFKA_BOOTSTRAP_SERVERS", "fleet:9092")
    assert options().instance == ""
    monkeypatch.setenv("SMSGW_INSTANCE", "0")
    assert options().instance == "0"


def test_only_some() -> None:
    assert options(" encoder, ,binder").only == {"encoder", "binder"}


def test_more_of_a_service_beside_a_running_one_leaves_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMSGW_INSTANCE", "1")
    assert (options("encoder").instance, options("encoder").surplus) == ("1", True)
    assert not options().surplus


@pytest.mark.parametrize(
    ("only", "sentence"),
    [("encoder,nonsense,abc", "--only: unknown abc, nonsense"), ("", "--only: nothing to run"), (", ", "nothing")],
)
def test_names_that_are_none(only: str, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence) as caught:
        options(only)
    assert "ingress, encoder" in caught.value.hint


@pytest.mark.parametrize("port", ["x", "0", "65536", "-1", "2775.0"])
def test_a_port_of_the_simulator_that_is_none(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMSGW_SIMULATOR_PORT", port)
    with pytest.raises(Invalid, match="is no port"):
        options()


def test_an_address_and_its_port_contradict_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMSGW_CLICKHOUSE_URL", "http://127.0.0.1:1")
    given = options_of(None, tmp_path, UpPorts(clickhouse=8123), simulator=True, only=None)
    with pytest.raises(Invalid, match="contradict each other"):
        Stack(given, print)


def test_a_part_of_the_stack_must_be_told_where_the_rest_is(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="nothing says where kafka is"):
        Stack(options("encoder", data_dir=tmp_path), print)


def test_only_the_recorder_must_be_told_where_clickhouse_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMSGW_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    with pytest.raises(Invalid, match="nothing says where clickhouse is"):
        Stack(options("recorder", data_dir=tmp_path), print)
    assert Stack(options("encoder", data_dir=tmp_path), print).clickhouse_url == ""
    write_run_file(tmp_path, RunFile(os.getpid(), "0", "127.0.0.1:1", "", started_at_ms=now_ms()))
    with pytest.raises(Invalid, match="nothing says where clickhouse is"):
        Stack(options("recorder", data_dir=tmp_path), print)
    monkeypatch.setenv("SMSGW_CLICKHOUSE_URL", "http://127.0.0.1:2")
    assert Stack(options("encoder", data_dir=tmp_path), print).clickhouse_url == "http://127.0.0.1:2"
