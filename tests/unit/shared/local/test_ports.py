"""Which ports are free."""

import socket

from shared.local.ports import LOOPBACK, free_port, is_free, port_problem


def test_a_port_with_a_listener_is_not_free() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        assert port_problem(port) == "is taken by another program"
    assert is_free(port)
    assert port_problem(port) == ""


def test_what_nobody_has_taken_and_yet_cannot_be_used_is_told_apart() -> None:
    """As a port below 1024 without the privilege, which a test that runs as root would have."""
    assert port_problem(free_port(), "192.0.2.1") == "cannot be used: cannot assign requested address"


def test_free_ports_lie_below_the_ephemeral_ranges() -> None:
    ports = {free_port() for _ in range(20)}
    assert all(1024 < port < 32_768 and is_free(port) for port in ports)
    assert len(ports) > 10
