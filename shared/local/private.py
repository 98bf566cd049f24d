"""Edge: folders that only their owner may read: the data of a gateway is its senders' numbers and texts."""

import errno
import os
import pwd
import stat
from pathlib import Path
from typing import Final

UMASK: Final = 0o077
"""For every process that writes into such a folder."""

_OTHERS: Final = 0o077
_ROOT: Final = 0


def make_private_folder(folder: Path) -> bool:
    """Make `folder` if need be, and let nobody but its owner into it, so that nobody else reaches what lies in it.

    Returns whether others could before. Raises OSError, with a sentence in `strerror`, also for a folder of somebody
    else's, or that everybody shares; one of root's that we may write (a volume that a cluster mounted) stays as it is.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_mode & stat.S_ISVTX or folder.resolve() == Path("/"):
        raise PermissionError(errno.EPERM, "it is everybody's; name a folder of its own below it")
    if found.st_uid != os.geteuid():
        if found.st_uid == _ROOT and os.access(folder, os.W_OK | os.X_OK):
            return False
        raise PermissionError(errno.EPERM, f"it belongs to {_name(found.st_uid)}, not to {_name(os.geteuid())}")
    if not found.st_mode & _OTHERS:
        return False
    folder.chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS)
    return True


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def open_private(path: str, flags: int) -> int:
    """For `open(..., opener=open_private)`: a file that is made is its owner's alone, whatever the umask."""
    return os.open(path, flags, 0o600)
