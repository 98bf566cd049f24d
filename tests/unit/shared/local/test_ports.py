"""Which ports are free."""

import socket

from shared.local.ports import LOOPBACK, free_port, is_free


def test_a_port_with_a_listener_is_not_free() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


def test_free_ports_lie_below_the_ephemeral_ranges() -> None:
    ports = {free_port() for _ in range(20)}
    assert all(1024 < port < 32_768 and is_free(port) for port in ports)
    assert len(ports) > 10
