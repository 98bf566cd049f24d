"""Edge: ends the processes we started when we ourselves are killed and cannot do it any more (kill -9, out of memory).

A small process of its own, the guard, holds the reading end of a pipe and a list of process groups. Whatever becomes of
us, the system closes our end; the guard reads the end of file and sends SIGKILL to every group still on the list. The
same on Linux and macOS, and, unlike PR_SET_PDEATHSIG, it does not depend on which thread started the child.

Not promised: a child started in the microseconds before the kill, whose number the guard was not told yet, survives.
"""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self


class OrphanGuard:
    """A list of process groups that must not outlive this process. One guard serves any number of them."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._closed = False
        self._process = _spawn()

    @property
    def pid(self) -> int:
        """The process number of the guard itself."""
        return self._process.pid

    def watch(self, group: int) -> None:
        """End the process group `group` when this process is gone."""
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """`group` has ended: its number may soon be somebody else's."""
        self._groups.discard(group)
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """End the guard without ending any of the groups. Call it when they have been ended in good order.

        What it is told afterwards is nothing to it: a child that was killed at the very end is forgotten late.
        """
        self._closed = True
        self._groups.clear()
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._write("close\n")
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _tell(self, line: str) -> None:
        """A guard that was killed is replaced by a new one that is told everything.

        Where there is none to be had (no memory, too many processes) the next call tries again.
        """
        if self._closed:
            return
        try:
            self._write(line)
        except (BrokenPipeError, ValueError):  # ValueError: its pipe was closed when it was not replaced
            with contextlib.suppress(OSError):
                self._end()
                self._process = _spawn()
                self._write("".join(f"+{group}\n" for group in sorted(self._groups)))

    def _write(self, text: str) -> None:
        assert self._process.stdin is not None  # noqa: S101 - opened as a pipe by _spawn
        self._process.stdin.write(text.encode())

    def _end(self) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process.wait()


def _spawn() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603 - our own interpreter and this very file
        [sys.executable, "-I", "-S", str(Path(__file__))],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        start_new_session=True,  # a signal to our own group, such as Ctrl-C, is not for the guard
    )


def guard_until_end(source: BinaryIO) -> None:
    """The guard's whole life: keep the list from the lines of `source`; at its end, kill what is on it."""
    groups: set[int] = set()
    for line in source:
        if line == b"close\n":
            return
        number = int(line[1:])
        if line.startswith(b"+"):
            groups.add(number)
        else:
            groups.discard(number)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    guard_until_end(sys.stdin.buffer)
