"""Edge: a secret's value, read when a bind needs it and kept nowhere.

Whoever may write gateway.yaml chooses the host a password is sent to. So a reference reaches only what the process's
environment puts forward for this: variables that begin with SMSGW_SECRET_ or are listed in SMSGW_SECRET_ENV, and files
below SMSGW_SECRET_DIR. See docs/security.md.
"""

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from schemas.gateway.values import SECRET_DIR_VARIABLE, SECRET_ENV_VARIABLE, SecretRef, is_secret_name

DEFAULT_DIR: Final = Path("/run/secrets")
"""Only files directly in it: below it clusters keep tokens of their own. A folder that was named has no such rule."""

SECRET_OCTETS_MAX: Final = 65_536


class MissingSecret(Exception):
    """The reference leads nowhere; the sentence names it. An error of that connector alone, and never the value."""


def read_secret(reference: SecretRef, environment: Mapping[str, str] = os.environ) -> str:
    """The value of an environment variable, or of a file without its last line end. Raises `MissingSecret`, also for a
    variable or a file that is not to be read for this.
    """
    if reference.env is not None:
        return _variable(reference.env, environment)
    named = environment.get(SECRET_DIR_VARIABLE)
    return _file(reference.file or "", Path(named).absolute() if named else DEFAULT_DIR, flat=not named)


def _variable(name: str, environment: Mapping[str, str]) -> str:
    if not is_secret_name(name, environment.get(SECRET_ENV_VARIABLE, "")):
        raise MissingSecret(
            f"environment variable {name} is not read: its name does not begin with SMSGW_SECRET_, and "
            f"{SECRET_ENV_VARIABLE} does not list it (a list with commas, in the process's environment)"
        )
    try:
        value = environment.get(name)
    except ValueError:
        value = None
    if value is None:
        raise MissingSecret(f"environment variable {name} is not set")
    return value


def _file(name: str, folder: Path, *, flat: bool) -> str:
    try:
        octets = _octets(_place(name, folder, flat=flat))
        return octets.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise MissingSecret(f"secret file {name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise MissingSecret(f"secret file {name}: is no UTF-8 text") from None
    except ValueError:
        raise MissingSecret(f"secret file {name!r}: no file can have this name") from None


def _place(name: str, folder: Path, *, flat: bool) -> Path:
    """Where the file really is, links followed. Raises `MissingSecret` outside of the folder, OSError, ValueError."""
    outside = f"secret file {name} is not read: it is not below {folder} ({SECRET_DIR_VARIABLE} names another folder)"
    if ".." in Path(name).parts:
        raise MissingSecret(outside)
    home, real = Path(os.path.realpath(folder)), Path(os.path.realpath(folder / name))
    if real == home or not real.is_relative_to(home):
        raise MissingSecret(outside)
    if flat and real.parent != home:
        raise MissingSecret(
            f"secret file {name} is not read: only files directly in {folder} are, unless {SECRET_DIR_VARIABLE} "
            "names a folder"
        )
    return real


def _octets(path: Path) -> bytes:
    """What a plain file holds, of a sensible size. Raises OSError: a pipe or a device would hold up every bind."""
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, "is no plain file")
        octets = file.read(SECRET_OCTETS_MAX + 1)
    if len(octets) > SECRET_OCTETS_MAX:
        raise OSError(errno.EFBIG, f"is longer than {SECRET_OCTETS_MAX} octets")
    return octets


def fingerprint(reference: SecretRef) -> int | None:
    """Tells one value of a secret from another within this process, and nothing else; None where it is missing."""
    try:
        return hash(read_secret(reference))
    except MissingSecret:
        return None
