"""Edge: a disk that is full: a small file system of its own where that may be mounted, else a limit on the process.

On Linux root mounts a tmpfs, and a file that takes all the rest of it is put there and taken away. Others may lower how
large a file of a process may become (RLIMIT_FSIZE): then every write beyond fails, as EFBIG instead of ENOSPC.
"""

import contextlib
import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import psutil

PidOf = Callable[[], int | None]
Way = Literal["tmpfs", "limit"]
_BALLAST: Final = "ballast"
_STEPS: Final = (1 << 24, 1 << 20, 1 << 12)


class SmallDisk:
    """A folder that can be filled. Use it as a context manager: it is unmounted at the end."""

    def __init__(self, folder: Path, size: str) -> None:
        """`size` as mount writes it, e.g. 512m."""
        self._folder = folder
        self._size = size
        self.way: Way = "limit"

    def __enter__(self) -> "SmallDisk":
        self._folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={self._size},mode=0700", "tmpfs", str(self._folder)]
        with contextlib.suppress(OSError):
            if os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0:
                self.way = "tmpfs"
        return self

    def __exit__(self, *_: object) -> None:
        if self.way == "tmpfs":
            subprocess.run(["umount", "--lazy", str(self._folder)], capture_output=True, check=False)

    @contextmanager
    def full(self, pid_of: PidOf) -> Iterator[None]:
        """Nothing more can be written there by the process while the block runs."""
        if self.way == "limit":
            with _limited(pid_of()):
                yield
            return
        ballast = self._folder / _BALLAST
        try:
            _fill(ballast)
            yield
        finally:
            ballast.unlink(missing_ok=True)


def _fill(file: Path) -> None:
    """Until not a page is left."""
    handle = os.open(file, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        size = 0
        for step in _STEPS:
            while True:
                try:
                    os.posix_fallocate(handle, size, step)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    break
                size += step
    finally:
        os.close(handle)


@contextmanager
def _limited(pid: int | None) -> Iterator[None]:
    if pid is None:
        yield
        return
    process = psutil.Process(pid)
    before = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(psutil.Error):
            process.rlimit(psutil.RLIMIT_FSIZE, before)
