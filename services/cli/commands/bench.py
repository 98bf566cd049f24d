"""Edge: `smsgw bench`: hands over to the benchmarks of the source tree."""

import importlib.util
import subprocess
import sys

from services.cli.errors import CliError


def run(arguments: list[str], *, as_json: bool) -> int:
    """The benchmark's exit code. Raises `CliError` where the tests are not installed."""
    if importlib.util.find_spec("tests.bench") is None:
        raise CliError("the benchmarks are part of the source tree", hint="run it there: make bench")
    command = [sys.executable, "-m", "tests.bench", *arguments, *(["--json"] if as_json else [])]
    return subprocess.run(command, check=False).returncode  # noqa: S603
