"""Edge: what the stack does about events: run.json on a full disk, and everything given up."""

import errno
import os
import sys
from pathlib import Path

import pytest

from services.cli.errors import CliError
from services.cli.up import stack as module
from services.cli.up.run_file import RunFile, read_run_file
from services.cli.up.stack import ALL, Stack, StackOptions, last_line
from shared.local import extra
from shared.local.child import ChildEvent, ChildSpec, ChildState
from shared.operations.errors import Invalid


class Said(list[str]):
    def __call__(self, sentence: str) -> None:
        self.append(sentence)


@pytest.fixture(autouse=True)
def _addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMSGW_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("SMSGW_CLICKHOUSE_URL", "http://127.0.0.1:1")


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def stack(tmp_path: Path, said: Said) -> Stack:
    """As if everything had been started."""
    made = Stack(StackOptions(tmp_path, only=frozenset({"ingress", "encoder"})), said)
    made._settled = True
    made._started_at_ms = 1
    return made


STARTED = ChildEvent("ingress", "started", pid=os.getpid())


def full(place: Path, run: RunFile) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_said_once_and_made_good_later(
    stack: Stack, said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(module, "write_run_file", full)
        stack._on_event(STARTED)
        stack._on_event(STARTED)
        stack.refresh_run_file()
    assert said == [
        f"cannot write to {tmp_path}: No space left on device: other commands are told old addresses and processes"
    ]
    stack.refresh_run_file()
    assert read_run_file(tmp_path) is not None


def test_a_start_on_a_full_disk_is_an_error(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "write_run_file", full)
    with pytest.raises(CliError, match="No space left on device"):
        stack._write_run_file()


def test_run_json_follows_the_configuration_and_is_written_only_when_it_differs(stack: Stack, tmp_path: Path) -> None:
    stack.on_config("aaaa")
    stack.refresh_run_file()
    first = read_run_file(tmp_path)
    assert first is not None
    assert first.config_hash == "aaaa"
    (tmp_path / "run.json").unlink()
    stack.refresh_run_file()
    assert read_run_file(tmp_path) is None
    stack.on_config("bbbb")
    stack.refresh_run_file()
    second = read_run_file(tmp_path)
    assert second is not None
    assert second.config_hash == "bbbb"


@pytest.mark.parametrize(("codes", "ends"), [({"ingress": 75, "encoder": 75}, True), ({"ingress": 75}, False)])
async def test_all_that_is_given_up_is_no_longer_in_use(stack: Stack, codes: dict[str, int], ends: bool) -> None:
    async with stack:
        for name, code in codes.items():
            argv = (sys.executable, "-c", f"raise SystemExit({code})")
            await stack._supervisor.start(ChildSpec(name, argv, dict(os.environ), stack._log(name)))
        for name in codes:
            await stack._supervisor._keepers[name]._task  # type: ignore[misc]  # it was started above
        assert stack.in_use.is_set() is ends


def test_the_simulator_on_a_full_disk_is_one_sentence(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(CliError, match="No space left on device"):
        stack._start_simulator().send(None)


def test_a_process_that_cannot_even_be_started_ends_the_wait_for_it(tmp_path: Path, said: Said) -> None:
    made = Stack(StackOptions(tmp_path, only=frozenset(ALL)), said)
    state = ChildState("kafka", "waiting", None, 0, None, "[Errno 28] No space left on device")
    made._supervisor.states = lambda: {"kafka": state}  # type: ignore[method-assign]
    with pytest.raises(CliError, match=r"kafka cannot be started: .*No space left"):
        made._exit_code_of("kafka")(0)


async def test_what_cannot_be_embedded_here_is_told_with_what_to_do(
    tmp_path: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SMSGW_CLICKHOUSE_URL")
    monkeypatch.setattr(module, "embedded_problem", lambda: "Linux with musl instead of glibc")
    with pytest.raises(CliError, match="cannot be embedded on Linux with musl") as caught:
        await Stack(StackOptions(tmp_path), said).start()
    assert caught.value.hint == "set SMSGW_CLICKHOUSE_URL"
    assert said == []


async def test_what_is_not_installed_is_told_with_what_to_do(
    tmp_path: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SMSGW_CLICKHOUSE_URL")
    monkeypatch.setitem(extra.PACKAGES, "clickhouse", "a_package_nobody_has")
    with pytest.raises(CliError, match="packages that are not installed: a_package_nobody_has") as caught:
        await Stack(StackOptions(tmp_path), said).start()
    assert caught.value.hint == "pip install 'smsgw[local]', or set SMSGW_CLICKHOUSE_URL"
    assert said == []


def test_what_a_process_said_last(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("one\ntwo\n")
    assert last_line(tmp_path / "log") == "it said: two"
    assert last_line(tmp_path / "none") == f"see {tmp_path / 'none'}"


@pytest.mark.parametrize("foreign", ["a file", "everybody's", "a project"])
async def test_a_data_folder_that_is_none_of_ours_is_usage(foreign: str, tmp_path: Path, said: Said) -> None:
    place = tmp_path / "data"
    if foreign == "a file":
        place.write_text("x")
    elif foreign == "a project":
        (place / ".git").mkdir(parents=True)
    else:
        place.mkdir()
        place.chmod(0o1777)
    mode = place.stat().st_mode
    with pytest.raises(Invalid, match=r"cannot use|is no data directory of this gateway: it has \.git in it") as caught:
        await Stack(StackOptions(place), said).__aenter__()
    assert "--data-dir" in caught.value.hint
    assert place.stat().st_mode == mode, "nothing of somebody else's is changed"


async def test_a_new_volume_and_what_was_there_before_are_fine(tmp_path: Path, said: Said) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "gateway.yaml").write_text("")
    for _ in range(2):
        async with Stack(StackOptions(tmp_path), said):
            (tmp_path / "mine").mkdir(exist_ok=True)
