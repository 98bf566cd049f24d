"""Edge: the append-only file of every submit_sm that was accepted.

`add` collects, `flush` writes. The server flushes before an answer can leave the process, so that whatever an ESME
knows to be accepted stands in the file, also when either side is killed. It is handed to the operating system, not
forced to the disk.
"""

import contextlib
import os
from pathlib import Path


class SubmitLog:
    """One open file; what an earlier run wrote stays. Raises OSError when it cannot be opened."""

    def __init__(self, file: Path) -> None:
        self._lines: list[bytes] = []
        self._fd = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            self._cut_torn_line()
        except OSError:
            os.close(self._fd)
            raise

    def add(self, line: bytes) -> None:
        """Keep a whole line for the next flush."""
        self._lines.append(line)

    def flush(self) -> None:
        """Write what was added. Raises OSError when the disk does not take all of it; no half line stays then."""
        if not self._lines:
            return
        octets = b"".join(self._lines)
        self._lines.clear()
        written = os.write(self._fd, octets)
        while written < len(octets):
            try:
                written += os.write(self._fd, octets[written:])
            except OSError:
                with contextlib.suppress(OSError):
                    self._cut_torn_line()
                raise

    def close(self) -> None:
        """Write what was added and close. Raises OSError as `flush` does."""
        try:
            self.flush()
        finally:
            os.close(self._fd)

    def _cut_torn_line(self) -> None:
        """A line that a killed process left unfinished was never answered: it is no evidence, and would spoil ours."""
        end = os.fstat(self._fd).st_size
        keep = end
        while keep:
            start = max(0, keep - 65_536)
            found = os.pread(self._fd, keep - start, start).rfind(b"\n")
            if found >= 0:
                keep = start + found + 1
                break
            keep = start
        if keep != end:
            os.ftruncate(self._fd, keep)
