"""Edge: TCP ports of this machine: which are free, and whether a given one is taken.

Free ports are chosen below the range from which Linux (32768 up) and macOS (49152 up) take the local ends of outgoing
connections. A server that is restarted on its port therefore finds it again: no client of ours, knocking while the
server was down, can have been given that very number as its own (or, worse, have connected to itself).
"""

import errno
import os
import random
import socket

LOOPBACK = "127.0.0.1"

_LOWEST = 15_000
_HIGHEST = 32_000
_ATTEMPTS = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of the loopback now; connections in TIME_WAIT do not count.

    Promises nothing about the next moment: another process may take it.
    """
    return not port_problem(port)


def port_problem(port: int, host: str = LOOPBACK) -> str:
    """Why no server could listen on `host:port` now, going on from "port N"; empty when one could."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "is taken by another program"
            return f"cannot be used: {os.strerror(error.errno or 0).lower()}"
    return ""


def free_port(*chosen: int) -> int:
    """A port on which nobody listens now, outside the ephemeral ranges, and none of those `chosen` before, on which
    nobody listens yet. Raises OSError when none was found.

    Chosen at random, so that two processes that ask at the same moment hardly ever get the same one.
    """
    for _ in range(_ATTEMPTS):
        port = random.randint(_LOWEST, _HIGHEST)
        if port not in chosen and is_free(port):
            return port
    raise OSError(f"no free TCP port between {_LOWEST} and {_HIGHEST} on {LOOPBACK}")
