"""Edge: `.env` in the folder where `smsgw` is started; read before anything that takes names from the environment."""

import os
import re
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from shared.operations.errors import Invalid

_NEVER_FROM_A_FILE: Final = re.compile(r"PATH|HOME|PYTHON.*|LD_.*|DYLD_.*|JAVA_.*|JDK_.*|_JAVA_.*", re.IGNORECASE)
"""What decides which programs and libraries run is not for a file that lies in the folder one happens to be in."""


def load_dotenv_file(directory: Path) -> None:
    """Variables of `.env` in `directory` that the environment does not have, passwords of connectors among them.

    Only the CLI reads that file, and hands it on to what `smsgw up` starts. Raises `Invalid` when it cannot be read.
    """
    file = directory / ".env"
    try:
        found = dotenv_values(file)
    except UnicodeDecodeError:
        raise Invalid(f"{file} is no text in UTF-8") from None
    except OSError as error:
        raise Invalid(f"cannot read {file}: {error.strerror}") from None
    for name, value in found.items():
        if value is not None and not _NEVER_FROM_A_FILE.fullmatch(name):
            os.environ.setdefault(name, value)
