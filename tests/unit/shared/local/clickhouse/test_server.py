"""Unit tests of the server process's parts."""

import socket
from pathlib import Path

import pytest

from shared.local.clickhouse.requests import HttpAccount
from shared.local.clickhouse.server import listen, serve


def test_accepted_connections_are_known_as_tcp() -> None:
    """asyncio turns Nagle's algorithm off for these only; with it, a query on a kept connection takes 40 ms."""
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.proto == socket.IPPROTO_TCP


def test_beyond_this_machine_only_with_a_password(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(tmp_path, "192.0.2.1", 0, HttpAccount()) == 2
    assert "without a password" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_address_that_is_not_here_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(tmp_path, "192.0.2.1", 8123, HttpAccount("default", "x")) == 1
    assert capsys.readouterr().err == (
        "ClickHouse cannot listen on 192.0.2.1 port 8123: Cannot assign requested address.\n"
    )
