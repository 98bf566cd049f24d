"""Pure: the benchmark says which aims are met, of those that it has figures for."""

import os
import subprocess
import sys
from typing import Any

import pytest

from tests.bench.aims import BUDGET_US, aims, all_parts_us, render
from tests.bench.e2e import _cpu_of_tree

SPREAD = {"p50": 10, "p95": 20, "p99": 75, "n": 1000}


def phase(messages_per_s: int = 2_500, factor: float = 1.0, **lanes: int) -> dict[str, Any]:
    return {
        "messages_per_s": messages_per_s,
        "us_per_message": {name: us * factor for name, us in BUDGET_US.items()} | {"simulator": 1_000.0},
        "accept_to_socket_ms": {lane: SPREAD | {"p99": p99} for lane, p99 in lanes.items()},
    }


def figures(**changes: Any) -> dict[str, Any]:
    idle = {"percent_of_a_core": {"kafka": 4.0}, "sum": 9.5, "memory_mb": {"kafka": 380}}
    return {
        "python": "3.11.2 of /usr",
        "idle": idle,
        "saturated": phase(otp=500, txn=900),
        "half_rate": phase(1_250, otp=75, txn=250, bulk=250),
        "tenth_rate": phase(250, otp=50, txn=150, bulk=150),
        "memory_mb": {"kafka": 400},
    } | changes


def missed(found: dict[str, Any]) -> list[str]:
    return [aim.what for aim in aims(found) if not aim.met]


def test_all_aims_are_met_at_their_limits_and_the_simulator_is_not_counted() -> None:
    assert all_parts_us(phase()) == sum(BUDGET_US.values())
    assert missed(figures()) == []
    assert len(aims(figures())) == 9


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"saturated": phase(2_499)}, ["messages end to end"]),
        ({"saturated": phase(factor=690.1 / 410)}, ["CPU of all parts"]),
        ({"half_rate": phase(otp=76, bulk=250)}, ["half_rate: otp, accept to socket, p99"]),
        ({"tenth_rate": phase(otp=50, bulk=151)}, ["tenth_rate: bulk, accept to socket, p99"]),
        ({"idle": figures()["idle"] | {"sum": 10.1}}, ["all of it, idle"]),
    ],
)
def test_each_aim_can_be_missed(changes: dict[str, Any], expected: list[str]) -> None:
    assert missed(figures(**changes)) == expected
    assert "MISSED" in render(figures(**changes))


def test_what_was_not_measured_has_no_aim() -> None:
    short = {"python": "3.11.2 of /usr", "saturated": phase(otp=1), "memory_mb": {}}
    assert [aim.what for aim in aims(short)] == ["messages end to end", "CPU of all parts"]
    assert "idle" not in render(short)
    assert "Python 3.11.2 of /usr" in render(short)


def test_cpu_of_a_process_counts_its_children_those_that_ended_too() -> None:
    """A child spends half a second of CPU and ends; another one does so and goes on; the parent itself only waits."""
    burn = "import time\nwhile time.process_time() < 0.5: pass\n"
    parent = f"""
import subprocess, sys
burn = {burn!r}
subprocess.run([sys.executable, "-c", burn], check=True)
wait = "import sys; print(1, flush=True); sys.stdin.read()"
subprocess.Popen([sys.executable, "-c", burn + wait], stdin=subprocess.PIPE).wait()
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"1\n"
            assert _cpu_of_tree(process.pid) >= 0.9  # each of its figures is cut to hundredths
        finally:
            process.kill()
    assert _cpu_of_tree(os.getpid()) > 0
