"""Edge: `smsgw up` with a Kafka from outside: an instance id in use, and addresses that lead nowhere."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.local.ports import free_port
from shared.operations.kafka_access import kafka_answers
from shared.process.settings import Settings

pytestmark = pytest.mark.kafka


class Ups:
    """Every `smsgw up` of a test, on the shared broker; ended with it."""

    def __init__(self, bootstrap: str, place: Path) -> None:
        self._environment = {n: v for n, v in os.environ.items() if not n.startswith("SMSGW_")} | {
            "SMSGW_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "SMSGW_INSTANCE": "taken",
        }
        self._place = place
        self._running: list[subprocess.Popen[str]] = []

    def start(self, only: str, *options: str, **environment: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli", "up", "--only", only, "--data-dir", str(self._place / only),
             *options],
            env=self._environment | environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._running.append(process)
        return process

    def stop(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._running:
            process.communicate(timeout=30)


@pytest.fixture
def ups(kafka_bootstrap: str, tmp_path: Path) -> Iterator[Ups]:
    made = Ups(kafka_bootstrap, tmp_path)
    yield made
    made.stop()


def lines_until(process: "subprocess.Popen[str]", word: str) -> list[str]:
    """What it prints before a line with `word`."""
    assert process.stdout is not None
    found: list[str] = []
    for line in process.stdout:
        if word in line:
            return found
        found.append(line)
    raise AssertionError(f"it ended without {word!r}: {found}")


def until(process: "subprocess.Popen[str]", word: str) -> None:
    """Read what it prints until a line with `word`."""
    assert process.stdout is not None
    for line in process.stdout:
        if word in line:
            return
    raise AssertionError(f"it ended without {word!r}")


@pytest.mark.timeout(120)
def test_a_second_up_with_the_same_instance_id_ends_with_75(ups: Ups) -> None:
    first = ups.start("encoder")
    until(first, "In another terminal")
    second = ups.start("encoder,ingress,")  # its ingress has the id for itself, and is no reason to go on without end
    until(second, "encoder: not started again (exit code 75")
    assert second.poll() is None
    third = ups.start("encoder,", "--json")
    output, errors = third.communicate(timeout=60)
    assert (third.returncode, errors) == (75, "")
    told = [json.loads(line) for line in output.splitlines()]
    (ready,) = [line for line in told if "ready" in line]
    assert list(ready["processes"]) == ["encoder"]
    assert ready["clickhouse_url"] == "", "nobody said where it is, and nothing here asks for it"
    sentences = [line["message"] for line in told if "message" in line]
    assert "another process uses instance taken" in " ".join(sentences)
    assert sentences[-1] == "Stopped."
    assert first.poll() is None


@pytest.mark.timeout(120)
def test_an_up_without_an_instance_id_gets_one_of_its_own_on_a_kafka_where_others_run(ups: Ups) -> None:
    fleet = ups.start("encoder", SMSGW_INSTANCE="0")
    until(fleet, "In another terminal")
    ids = []
    for _ in range(2):
        laptop = ups.start("encoder,", "--json", SMSGW_INSTANCE="")
        told = [json.loads(line)["message"] for line in lines_until(laptop, '"ready"')]
        ids += [sentence.split()[1] for sentence in told if sentence.startswith("Instance: ")]
        laptop.terminate()
        assert laptop.wait(30) == 0
    assert fleet.poll() is None
    assert len(ids) == 2
    assert set(ids) == {ids[0]}, "the same place has the same id again"
    assert re.fullmatch(r"[A-Za-z0-9-]+-[0-9a-f]{4},", ids[0])


def test_an_instance_id_that_is_none_is_usage(ups: Ups) -> None:
    for instance in ("a/b", "x" * 200):
        process = ups.start("encoder", SMSGW_INSTANCE=instance)
        _, errors = process.communicate(timeout=40)
        assert process.returncode == 2
        assert errors.startswith("error: SMSGW_INSTANCE: ")
        assert "at most 40 letters, digits" in errors


@pytest.mark.timeout(60)
def test_a_clickhouse_from_outside_that_does_not_answer_is_told_at_once(ups: Ups) -> None:
    process = ups.start("recorder", SMSGW_CLICKHOUSE_URL=f"http://127.0.0.1:{free_port()}")
    _, errors = process.communicate(timeout=40)
    assert process.returncode == 3
    assert errors.startswith("error: ClickHouse at http://127.0.0.1:")


async def test_the_probe_asks_a_broker_that_is_not_ours(kafka_bootstrap: str) -> None:
    assert await kafka_answers(Settings(kafka_bootstrap_servers=kafka_bootstrap))
    assert not await kafka_answers(Settings(kafka_bootstrap_servers=f"127.0.0.1:{free_port()}"))
