"""Edge: the probes of a process, asked by clients of every manner."""

import http.client
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from shared.process.health_server import HealthServer, Probe
from shared.process.service import STUCK_MS, Service
from shared.process.settings import Settings

HALF_SPOKEN = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "


@contextmanager
def serving(probes: dict[str, Probe], ask_within_s: float = 10.0) -> Iterator[HealthServer]:
    server = HealthServer("127.0.0.1", 0, probes, ask_within_s)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def fine() -> tuple[bool, str]:
    return True, "fine"


def ask(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def clients(port: int, stack: ExitStack) -> list[socket.socket]:
    """50 of them: every other one says nothing, the rest half of a request."""
    connected = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20)) for _ in range(50)]
    for one in connected[::2]:
        one.sendall(HALF_SPOKEN)
    return connected


def test_clients_that_never_finish_a_request_hold_nobody_up_and_are_closed() -> None:
    with serving({"/livez": fine}, ask_within_s=0.5) as server, ExitStack() as stack:
        idle = clients(server.port, stack)
        assert ask(server.port, "/livez") == (200, "fine\n")
        assert [_read(one) for one in idle] == [b""] * 50
        assert ask(server.port, "/livez") == (200, "fine\n")


def test_while_they_stand_the_others_are_answered() -> None:
    with serving({"/livez": fine}, ask_within_s=3600) as server, ExitStack() as stack:
        idle = clients(server.port, stack)
        assert [ask(server.port, "/livez") for _ in range(5)] == [(200, "fine\n")] * 5
        idle[0].sendall(b"1\r\n\r\n")
        assert idle[0].recv(1000).startswith(b"HTTP/1.1 200"), "a slow one is answered as well"


def test_a_stop_waits_for_none_of_them() -> None:
    with ExitStack() as stack:
        with serving({"/livez": fine}, ask_within_s=3600) as server:
            idle = clients(server.port, stack)
            assert ask(server.port, "/livez")[0] == 200
        assert not [thread for thread in threading.enumerate() if thread.name == "health"]
        assert [_read(one) for one in idle] == [b""] * 50


def _read(client: socket.socket) -> bytes:
    """What the server still says; nothing where it has closed the connection."""
    try:
        return client.recv(1000)
    except ConnectionResetError:
        return b""


def test_other_paths_are_not_there() -> None:
    with serving({"/livez": fine}) as server:
        for path in ("/", "/livez/", "/metrics/x", "/favicon.ico", "/%2e%2e/etc/passwd"):
            status, said = ask(server.port, path)
            assert (status, said) == (404, "There is nothing here. There are: /livez, /metrics.\n"), path
        assert ask(server.port, "/livez?verbose") == (200, "fine\n")
        assert ask(server.port, "/livez", "HEAD") == (200, "")
        assert "smsgw_records_in" in ask(server.port, "/metrics")[1]


def test_what_is_no_http_hurts_nobody() -> None:
    with serving({"/livez": fine}) as server:
        for octets in (os.urandom(4096), b"\r\n" * 1000, b"GET /livez HTTP/1.1\r\n" + b"a" * 100_000):
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
                client.sendall(octets)
        assert ask(server.port, "/livez") == (200, "fine\n")


def test_a_port_that_is_taken_is_an_error_at_once() -> None:
    with serving({"/livez": fine}) as server, pytest.raises(OSError, match="in use"):
        HealthServer("127.0.0.1", server.port, {})


async def test_a_restore_that_advances_is_alive_and_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service("test", Settings(kafka_bootstrap_servers="127.0.0.1:1"))
    service.expect("part")
    service.set_assignment("part", ["t:0"], ready=False)
    service.progress("part")
    assert (service.alive()[0], service.serving()) == (True, (False, f"test {service.instance}: starting"))
    service.set_assignment("part", ["t:0"])
    assert (service.alive()[0], service.serving()) == (True, (True, f"test {service.instance}: ok"))
    monkeypatch.setattr(Service, "stuck_ms", STUCK_MS + 1000)
    assert (service.alive(), service.serving()[0]) == (
        (False, f"test {service.instance}: the loop has not advanced for 31 s"),
        False,
    )
    monkeypatch.undo()
    service.stopping.set()
    assert (service.alive()[0], service.serving()[0]) == (True, False), "it drains, and takes no more"
