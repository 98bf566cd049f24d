"""Edge: a secret's value, read when a bind needs it and kept nowhere."""

import os
from pathlib import Path

from schemas.gateway.values import SecretRef


class MissingSecret(Exception):
    """The reference leads nowhere; the sentence names it. An error of that connector alone, and never the value."""


def read_secret(reference: SecretRef) -> str:
    """The value of an environment variable, or of a file without its last line end. Raises `MissingSecret`."""
    if reference.env is not None:
        try:
            value = os.environ.get(reference.env)
        except ValueError:
            value = None
        if value is None:
            raise MissingSecret(f"environment variable {reference.env} is not set")
        return value
    path = Path(reference.file or "")
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise MissingSecret(f"secret file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise MissingSecret(f"secret file {path}: is no UTF-8 text") from None
    except ValueError:
        raise MissingSecret(f"secret file {str(path)!r}: no file can have this name") from None


def fingerprint(reference: SecretRef) -> int | None:
    """Tells one value of a secret from another within this process, and nothing else; None where it is missing."""
    try:
        return hash(read_secret(reference))
    except MissingSecret:
        return None
