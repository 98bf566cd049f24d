"""Edge: log files of child processes, appended to, and kept from filling the disk."""

import os
import shutil
from pathlib import Path
from typing import BinaryIO

from shared.local.private import open_private

LIMIT_BYTES = 10 * 1024 * 1024


def open_log(path: Path) -> BinaryIO:
    """Open for appending, for a child's stdout and stderr; what is made is its owner's alone. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    trim_log(path)
    return open(path, "ab", opener=open_private)


def trim_log(path: Path, limit_bytes: int = LIMIT_BYTES) -> bool:
    """Move a log longer than the limit to `<name>.1`, in place of an older one. Returns whether it did.

    The file is copied and emptied rather than renamed: a child goes on writing to the one it has open, at its new end,
    because `open_log` opens for appending. A line written between the two steps is lost. Raises OSError.
    """
    try:
        if path.stat().st_size <= limit_bytes:
            return False
    except FileNotFoundError:
        return False
    shutil.copyfile(path, path.with_name(f"{path.name}.1"))
    os.truncate(path, 0)
    return True
