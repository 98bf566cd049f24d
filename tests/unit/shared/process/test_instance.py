"""Edge: who is who, by host, pid and start: what one machine can know of the processes behind beats."""

import os
import socket
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from schemas.service_states import ServiceState
from shared.process.clock import now_ms
from shared.process.instance import BEAT_FRESH_MS, ProcessIdentity, lives_here

HOST = socket.gethostname()
ME = ProcessIdentity("ingress", "0", HOST, os.getpid(), "mine")
AT_MS = 1_790_000_000_000


def state(host: str = HOST, pid: int = 1, start_id: str = "theirs", **changes: int) -> ServiceState:
    times = {"beat_at_ms": AT_MS, "started_at_ms": AT_MS, "progress_at_ms": AT_MS} | changes
    return ServiceState(service="ingress", instance="0", host=host, pid=pid, start_id=start_id, ready=True, **times)


def test_one_with_the_same_pid_is_another_process_where_its_start_is_another() -> None:
    """In containers every pid is 1."""
    other = state(host="pod", pid=ME.pid)
    assert ME.rivals([other, state(host="pod", pid=ME.pid, start_id="mine")], AT_MS) == [other]
    earlier_version = state(start_id="")
    assert ME.rivals([earlier_version], AT_MS) == [earlier_version]


def test_rivals_have_the_same_service_and_instance_and_have_beaten_lately() -> None:
    assert ME.rivals([state()], AT_MS + BEAT_FRESH_MS) == []
    assert replace(ME, instance="1").rivals([state()], AT_MS) == []
    assert replace(ME, service="encoder").rivals([state()], AT_MS) == []


def test_a_process_of_this_machine_lives_or_is_certainly_dead() -> None:
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    alive = state(pid=other.pid, started_at_ms=now_ms() + 1000)
    assert (lives_here(alive, now_ms()), ME.sees_alive(alive, now_ms()), ME.sees_dead(alive, now_ms())) == (
        True,
        True,
        False,
    )
    other.communicate(b"\n")
    assert (lives_here(alive, now_ms()), ME.sees_alive(alive, now_ms()), ME.sees_dead(alive, now_ms())) == (
        False,
        False,
        True,
    )


def test_a_pid_that_was_given_to_another_program_since_is_no_life() -> None:
    older = state(pid=os.getppid(), started_at_ms=round(psutil.Process(os.getppid()).create_time() * 1000) - 60_000)
    assert (ME.sees_alive(older, now_ms()), ME.sees_dead(older, now_ms())) == (False, True)


@pytest.mark.parametrize("host", ["pod-7", HOST])
def test_of_another_host_or_of_our_own_pid_before_us_only_a_beat_can_tell(host: str) -> None:
    began_ms = round(psutil.Process().create_time() * 1000)
    unknown = state(host=host, pid=ME.pid, started_at_ms=began_ms - 60_000)
    assert (ME.sees_alive(unknown, now_ms()), ME.sees_dead(unknown, now_ms())) == (False, False)
