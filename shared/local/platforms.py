"""Edge: on which systems the embedded Kafka and ClickHouse run."""

import platform
import sys

_MACHINES = frozenset({"x86_64", "amd64", "aarch64", "arm64"})


def embedded_problem(
    system: str = sys.platform, machine: str = platform.machine(), libc: str = platform.libc_ver()[0]
) -> str:
    """Why neither can be embedded here, in words that go on from "on"; empty where both can.

    Their engines come as wheels for Linux with glibc and for macOS.
    """
    if system not in {"linux", "darwin"}:
        return system
    if machine.lower() not in _MACHINES:
        return f"{system} on {machine}"
    if system == "linux" and libc != "glibc":
        return f"Linux with {libc or 'musl'} instead of glibc"
    return ""
