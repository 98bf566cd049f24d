"""Only the jars of a list, octet for octet, are ever given to Java."""

import hashlib
import threading
from pathlib import Path

import pytest

from shared.local import jars as module
from shared.local.jars import JarSet, JarsUnavailableError, check_jars, parse_list
from shared.local.kafka_jars import KAFKA_JARS
from tests.jsmpp import JSMPP_JARS

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
    jars = KAFKA_JARS.expected()
    assert len(jars) == 46
    # log4j's bill of materials would quietly bring an older client in
    assert {"kafka_2.13-4.3.1.jar", "kafka-clients-4.3.1.jar", "slf4j-simple-1.7.36.jar"} <= set(jars)


def test_every_set_has_a_folder_of_its_own() -> None:
    folders = {jars.folder(Path("cache")).name for jars in (KAFKA_JARS, JSMPP_JARS)}
    assert folders == {"kafka-4.3.1-9b241538730d", "jsmpp-3.0.0-49449de0f5fc"}


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

    def __call__(
        self, target: Path, coordinates: str, environ: dict[str, str], cancelled: threading.Event
    ) -> str | None:
        assert coordinates == "org.example:program:1.0"
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
    monkeypatch.setattr(module, "resolve_into", resolver)
    return resolver


@pytest.fixture
def jars(tmp_path: Path) -> JarSet:
    list_file = tmp_path / "program.sha256"
    list_file.write_text("".join(f"{digest}  {name}\n" for name, digest in LIST.items()))
    return JarSet("Program", "1.0", "org.example:program:1.0", list_file)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_jars_are_fetched_once(resolve: Resolver, jars: JarSet, cache: Path) -> None:
    resolve.results = [JARS]
    assert not jars.are_fetched(cache)
    first = jars.ensure(cache)
    assert jars.are_fetched(cache)
    assert [jar.read_bytes() for jar in first] == [b"first", b"second"]
    assert jars.ensure(cache) == first
    assert resolve.repositories == [False]
    assert list(cache.iterdir()) == [first[0].parent], "nothing but the jars is left behind"


def test_a_broken_download_is_tried_again_in_a_repository_of_its_own(
    resolve: Resolver, jars: JarSet, cache: Path
) -> None:
    resolve.results = [{**JARS, "a.jar": b"fir"}, JARS]
    assert len(jars.ensure(cache)) == 2
    assert resolve.repositories == [False, True]


def test_without_a_network_one_sentence_says_what_to_do(resolve: Resolver, jars: JarSet, cache: Path) -> None:
    resolve.results = ["no route to host", "no route to host"]
    with pytest.raises(JarsUnavailableError, match=r"Could not fetch the Program jars \(no route to host\); connect"):
        jars.ensure(cache)
    assert list(cache.iterdir()) == []


def test_a_cached_jar_that_was_changed_is_refused(resolve: Resolver, jars: JarSet, cache: Path) -> None:
    resolve.results = [JARS]
    jars.ensure(cache)[0].write_bytes(b"evil!")
    with pytest.raises(JarsUnavailableError, match=r"a\.jar has another SHA-256 sum"):
        jars.ensure(cache)


@pytest.mark.timeout(20)
def test_a_fetch_that_is_cancelled_ends_at_once(
    jars: JarSet, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slowest of networks: the resolver says nothing for longer than this test may take."""
    slow = tmp_path / "slow.py"
    started = tmp_path / "started"
    slow.write_text(f"import pathlib, signal\npathlib.Path({str(started)!r}).touch()\nsignal.pause()\n")
    monkeypatch.setattr(module, "_RESOLVER", slow)

    class SetOnceItRuns(threading.Event):
        def is_set(self) -> bool:
            return started.exists()

    with pytest.raises(JarsUnavailableError, match="it was interrupted"):
        jars.ensure(cache, SetOnceItRuns())
    assert list(cache.iterdir()) == []
