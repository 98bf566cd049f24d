"""Edge: a secret's value, read when a bind needs it and kept nowhere."""

import os
from pathlib import Path

from schemas.gateway_config import SecretRef


class MissingSecret(Exception):
    """The reference leads nowhere; the sentence names it. An error of that connector alone, and never the value."""


def read_secret(reference: SecretRef) -> str:
    """The value of an environment variable, or of a file without its last line end. Raises `MissingSecret`."""
    if reference.env is not None:
        value = os.environ.get(reference.env)
        if value is None:
            raise MissingSecret(f"environment variable {reference.env} is not set")
        return value
    path = Path(reference.file or "")
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no UTF-8 text"
        raise MissingSecret(f"secret file {path}: {reason}") from None
