"""Edge: `smsgw bench`: hands over to the benchmarks of the source tree."""

import importlib.util
import subprocess
import sys

from services.cli.errors import CliError


def run(arguments: list[str]) -> int:
    """The benchmark's exit code. Raises `CliError` where the tests are not installed."""
    if importlib.util.find_spec("tests.bench") is None:
        raise CliError("the benchmarks are part of the source tree", hint="run it there: make bench")
    return subprocess.run([sys.executable, "-m", "tests.bench", *arguments], check=False).returncode  # noqa: S603
