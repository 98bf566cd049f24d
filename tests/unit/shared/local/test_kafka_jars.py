"""Only the jars of the list, octet for octet, are ever given to Java."""

import hashlib
import threading
from pathlib import Path

import pytest

from shared.local import kafka_jars
from shared.local.kafka_jars import (
    JarsUnavailableError,
    are_fetched,
    check_jars,
    ensure_jars,
    expected_jars,
    parse_list,
)

JARS = {"a.jar": b"first", "b.jar": b"second"}
LIST = {name: hashlib.sha256(content).hexdigest() for name, content in JARS.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "jars"
    target.mkdir()
    for name, content in JARS.items():
        (target / name).write_bytes(content)
    return target


def test_the_list_names_the_broker_and_its_logger() -> None:
    jars = expected_jars()
    assert len(jars) == 46
    # log4j's bill of materials would quietly bring an older client in
    assert {"kafka_2.13-4.3.1.jar", "kafka-clients-4.3.1.jar", "slf4j-simple-1.7.36.jar"} <= set(jars)


@pytest.mark.parametrize("line", ["abc  a.jar", f"{'0' * 64} a.jar", f"{'0' * 64}  ../a.jar", f"{'0' * 64}  a.txt"])
def test_a_broken_list_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match="not a line of a jar list"):
        parse_list(line)


def test_the_same_jars_pass(folder: Path) -> None:
    assert check_jars(folder, LIST) is None


def test_a_tampered_jar_is_named(folder: Path) -> None:
    (folder / "b.jar").write_bytes(b"secone")
    assert check_jars(folder, LIST) == "b.jar has another SHA-256 sum"


def test_a_missing_jar_is_named(folder: Path) -> None:
    (folder / "a.jar").unlink()
    assert check_jars(folder, LIST) == "a.jar is missing"


def test_a_surplus_jar_is_named(folder: Path) -> None:
    (folder / "c.jar").touch()
    assert check_jars(folder, LIST) == "c.jar is not in the list"


class Resolver:
    """Takes the place of jgo: `results` are the jars it gives at each attempt, or what it says is wrong."""

    def __init__(self, *results: dict[str, bytes] | str) -> None:
        self.results = list(results)
        self.repositories: list[bool] = []

    def __call__(self, target: Path, environ: dict[str, str], cancelled: threading.Event) -> str | None:
        self.repositories.append("M2_REPO" in environ)
        target.mkdir()
        result = self.results.pop(0)
        if isinstance(result, str):
            return result
        for name, content in result.items():
            (target / name).write_bytes(content)
        return None


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    resolver = Resolver()
    monkeypatch.setattr(kafka_jars, "expected_jars", lambda: LIST)
    monkeypatch.setattr(kafka_jars, "_resolve_into", resolver)
    return resolver


def test_jars_are_fetched_once(resolve: Resolver, tmp_path: Path) -> None:
    resolve.results = [JARS]
    assert not are_fetched(tmp_path)
    first = ensure_jars(tmp_path)
    assert are_fetched(tmp_path)
    assert [jar.read_bytes() for jar in first] == [b"first", b"second"]
    assert ensure_jars(tmp_path) == first
    assert resolve.repositories == [False]
    assert list(tmp_path.iterdir()) == [first[0].parent], "nothing but the jars is left behind"


def test_a_broken_download_is_tried_again_in_a_repository_of_its_own(resolve: Resolver, tmp_path: Path) -> None:
    resolve.results = [{**JARS, "a.jar": b"fir"}, JARS]
    assert len(ensure_jars(tmp_path)) == 2
    assert resolve.repositories == [False, True]


def test_without_a_network_one_sentence_says_what_to_do(resolve: Resolver, tmp_path: Path) -> None:
    resolve.results = ["no route to host", "no route to host"]
    with pytest.raises(JarsUnavailableError, match=r"Could not fetch the Kafka jars \(no route to host\); connect"):
        ensure_jars(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_cached_jar_that_was_changed_is_refused(resolve: Resolver, tmp_path: Path) -> None:
    resolve.results = [JARS]
    ensure_jars(tmp_path)[0].write_bytes(b"evil!")
    with pytest.raises(JarsUnavailableError, match=r"a\.jar has another SHA-256 sum"):
        ensure_jars(tmp_path)


@pytest.mark.timeout(20)
def test_a_fetch_that_is_cancelled_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slowest of networks: the resolver says nothing for longer than this test may take."""
    slow = tmp_path / "slow.py"
    started = tmp_path / "started"
    slow.write_text(f"import pathlib, signal\npathlib.Path({str(started)!r}).touch()\nsignal.pause()\n")
    monkeypatch.setattr(kafka_jars, "_RESOLVER", slow)

    class SetOnceItRuns(threading.Event):
        def is_set(self) -> bool:
            return started.exists()

    cancelled = SetOnceItRuns()
    with pytest.raises(JarsUnavailableError, match="it was interrupted"):
        ensure_jars(tmp_path / "cache", cancelled)
    assert list((tmp_path / "cache").iterdir()) == []
