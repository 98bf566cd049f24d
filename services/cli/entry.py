"""Edge: the `smsgw` program itself: says in a sentence where it does not run, before anything is imported that would
say it in a traceback."""

import contextlib
import sys
from pathlib import Path


def main() -> None:
    """Entry point."""
    if sys.platform == "win32":
        sys.stderr.write("error: smsgw runs on Linux and macOS; on Windows use WSL\n")
        sys.exit(1)
    from services.cli.dotenv_file import load_dotenv_file
    from shared.operations.errors import OperationError

    with contextlib.suppress(OperationError):  # what is wrong with it is told below
        load_dotenv_file(Path.cwd())
    from services.cli.app import main as run
    from shared.kafka import seam

    seam.install()
    run()
