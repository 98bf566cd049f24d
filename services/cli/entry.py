"""Edge: the `smsgw` program itself: says in a sentence where it does not run, before anything is imported that would
say it in a traceback."""

import sys


def main() -> None:
    """Entry point."""
    if sys.platform == "win32":
        sys.stderr.write("error: smsgw runs on Linux and macOS; on Windows use WSL\n")
        sys.exit(1)
    from services.cli.app import main as run
    from shared.kafka import seam

    seam.install()
    run()
