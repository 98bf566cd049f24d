"""What is refused before any JVM is started, and in which words. Brokers that run: tests/integration."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.local.jars import JarSet, JarsUnavailableError
from shared.local.kafka import EmbeddedKafka, EmbeddedKafkaError
from shared.local.ports import LOOPBACK, free_port


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_is_named(tmp_path: Path, taken_port: int) -> None:
    with pytest.raises(EmbeddedKafkaError, match=f"Port {taken_port} on 127.0.0.1 is taken"):
        EmbeddedKafka(tmp_path, taken_port).start()


def test_a_taken_controller_port_is_named(tmp_path: Path, taken_port: int) -> None:
    with pytest.raises(EmbeddedKafkaError, match=f"Port {taken_port} on 127.0.0.1 is taken"):
        EmbeddedKafka(tmp_path, free_port(), controller_port=taken_port).prepare()


def test_a_data_directory_that_is_a_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(EmbeddedKafkaError, match=f"Kafka cannot use {path}: "):
        EmbeddedKafka(path, free_port()).prepare()


def test_missing_jars_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ensure(jars: JarSet, cache: Path, cancelled: object) -> list[Path]:
        raise JarsUnavailableError(f"nothing in {cache}")

    monkeypatch.setattr(JarSet, "ensure", ensure)
    with pytest.raises(EmbeddedKafkaError, match=f"^nothing in {tmp_path}/cache$"):
        EmbeddedKafka(tmp_path / "data", free_port(), cache_dir=tmp_path / "cache").prepare()


def test_the_command_needs_what_prepare_makes(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="prepare"):
        EmbeddedKafka(tmp_path, free_port()).command()


def test_the_telling_line_of_the_log_is_quoted(tmp_path: Path) -> None:
    kafka = EmbeddedKafka(tmp_path, free_port())
    assert kafka.last_error() == f"see {kafka.log_file}"
    kafka.log_file.write_text("INFO starting\nCaused by: java.net.BindException: in use\n\tat java.base/x\nbye\n")
    assert kafka.last_error() == f"Caused by: java.net.BindException: in use (log: {kafka.log_file})"


def test_a_broker_that_was_not_started_is_not_alive(tmp_path: Path) -> None:
    kafka = EmbeddedKafka(tmp_path, free_port())
    assert (kafka.pid, kafka.is_alive(), kafka.answers()) == (None, False, False)
    kafka.stop()
