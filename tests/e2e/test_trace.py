"""Edge: `smsgw trace` as an operator runs it: a process of its own, ended by Ctrl-C, against a running gateway."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue
from threading import Thread
from typing import Any

import pytest

from tests.e2e.gateway import CLI, Gateway

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

WITHIN_S = 40.0


class Trace:
    """A trace that runs; what it says is read as it comes."""

    def __init__(self, gateway: Gateway, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*CLI, "trace", *arguments, "--data-dir", str(gateway.data_dir)],
            env=gateway.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.out: Queue[str] = Queue()
        self.notes: Queue[str] = Queue()
        self._readers = [
            Thread(target=_read, args=(stream, queue), daemon=True)
            for stream, queue in ((self.process.stdout, self.out), (self.process.stderr, self.notes))
        ]
        for reader in self._readers:
            reader.start()

    def until(self, queue: "Queue[str]", *wanted: str) -> list[str]:
        """What came until each of `wanted` stood in some line."""
        lines: list[str] = []
        missing = set(wanted)
        while missing:
            lines.append(queue.get(timeout=WITHIN_S))
            missing = {word for word in missing if word not in lines[-1]}
        return lines

    def end(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(WITHIN_S)
        for reader in self._readers:
            reader.join(WITHIN_S)
        return code


def _read(stream: Any, queue: "Queue[str]") -> None:
    with stream:
        for line in stream:
            queue.put(line.rstrip("\n"))


@contextmanager
def traced(gateway: Gateway, *arguments: str) -> Iterator[Trace]:
    trace = Trace(gateway, *arguments)
    try:
        yield trace
    finally:
        if trace.process.poll() is None:
            trace.process.kill()
            trace.process.wait()


def _send(gateway: Gateway, to: str) -> str:
    sent = gateway.cli("send", to, "your code is 4711", "--wait", "30", "--json")
    assert sent.returncode == 0, sent.stderr
    return str(json.loads(sent.stdout)["message_id"])


def test_a_number_is_followed_from_submit_to_receipt(gateway: Gateway) -> None:
    number = "440190000001"
    with traced(gateway, "quick-1", "--msisdn", number) as trace:
        for _ in range(2):  # both binds
            trace.until(trace.notes, "transceiver to 127.0.0.1")
        _send(gateway, "+440190000002")
        message_id = _send(gateway, f"+{number}")
        words = (" submit_sm ", " submit_sm_resp ", " deliver_sm ", " deliver_sm_resp ", "receipt.stat=DELIVRD")
        lines = trace.until(trace.out, *words)
        assert trace.end() == 130
    text = "\n".join(lines)
    for word in words:
        assert text.count(word) == 1, text
    assert text.count(f"msg={message_id}/1") == 2
    for secret in (number, "4711"):
        assert secret not in text
    assert len({line.index("#") for line in lines}) == 1, text


def test_a_message_that_is_over_is_found_in_what_passed_and_shown_open_on_demand(gateway: Gateway) -> None:
    number = "440190000003"
    message_id = _send(gateway, f"+{number}")
    known = gateway.cli("track", message_id, "--wait", "20", "--json")  # then ClickHouse has what the SMSC calls it
    assert known.returncode == 0
    with traced(gateway, "quick-1", "--message-id", message_id, "--since", "2m", "--open", "--json") as trace:
        commands = ["submit_sm", "submit_sm_resp", "deliver_sm", "deliver_sm_resp"]
        lines = trace.until(trace.out, *(f'"command": "{command}"' for command in commands))
        assert trace.end() == 130
    shown = {line["command"]: line["fields"] for line in map(json.loads, lines) if line["kind"] == "pdu"}
    assert sorted(shown) == sorted(commands), "over two binds: which is replayed first is left to them"
    assert shown["submit_sm"]["short_message"] == "your code is 4711"
    assert shown["submit_sm"]["destination_addr"] == number


def test_who_is_not_bound_or_not_known_is_told(gateway: Gateway) -> None:
    unknown = gateway.cli("trace", "quick1")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "no connector 'quick1'; did you mean quick-1" in unknown.stderr
    with traced(gateway, "nowhere-1") as trace:
        notes = trace.until(trace.notes, "is not bound")
        assert any(line.startswith("bind 0: ") for line in notes)
        assert trace.end() == 130
