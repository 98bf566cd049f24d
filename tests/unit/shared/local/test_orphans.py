"""What the guard does with its list; that it really outlives a kill -9 of ours is in test_supervisor.py."""

import errno
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from shared.local import orphans
from shared.local.orphans import OrphanGuard


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def lose(guard: OrphanGuard) -> None:
    """The guard's view of our death: the pipe ends, without a word."""
    assert guard._process.stdin is not None
    guard._process.stdin.close()
    guard._process.wait()


def test_a_watched_group_ends_with_us(sleeper: "subprocess.Popen[bytes]") -> None:
    guard = OrphanGuard()
    guard.watch(sleeper.pid)
    lose(guard)
    assert sleeper.wait(5) == -signal.SIGKILL


def test_where_no_guard_can_be_had_the_next_word_tries_again(
    sleeper: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = OrphanGuard()
    guard._process.kill()
    guard._process.wait()
    with monkeypatch.context() as patched:
        patched.setattr(orphans, "_spawn", no_process)
        guard.watch(sleeper.pid)
    guard.forget(1)
    lose(guard)
    assert sleeper.wait(5) == -signal.SIGKILL


def no_process() -> "subprocess.Popen[bytes]":
    raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")


def test_a_forgotten_group_does_not(sleeper: "subprocess.Popen[bytes]") -> None:
    guard = OrphanGuard()
    guard.watch(sleeper.pid)
    guard.forget(sleeper.pid)
    lose(guard)
    assert sleeper.poll() is None


def test_closing_the_guard_ends_nothing_but_the_guard(sleeper: "subprocess.Popen[bytes]") -> None:
    with OrphanGuard() as guard:
        guard.watch(sleeper.pid)
    assert guard._process.returncode == 0
    assert sleeper.poll() is None


def test_what_a_closed_guard_is_told_starts_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    guard = OrphanGuard()
    guard.close()
    monkeypatch.setattr(orphans, "_spawn", lambda: pytest.fail("another guard, which nobody would close"))
    guard.forget(1)
    guard.watch(1)


def test_a_guard_that_was_killed_is_replaced(sleeper: "subprocess.Popen[bytes]") -> None:
    guard = OrphanGuard()
    guard.watch(sleeper.pid)
    first = guard.pid
    os.kill(first, signal.SIGKILL)
    guard._process.wait()
    guard.forget(1)
    assert guard.pid != first
    lose(guard)
    assert sleeper.wait(5) == -signal.SIGKILL
