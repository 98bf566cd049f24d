"""Edge: a disk is full for a while."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.disks import SmallDisk

WRITE = """
import sys
for line in sys.stdin:
    try:
        with open(sys.argv[1], "ab", buffering=0) as file: file.write(b"x" * 102_400)
        print("written", flush=True)
    except OSError as error: print(error.strerror, flush=True)
"""

pytestmark = pytest.mark.long  # mounting may hang where disks are busy


@pytest.fixture(params=["tmpfs", "limit"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallDisk]:
    with SmallDisk(tmp_path / "disk", "2m") as small:
        if request.param == "limit":
            small.__exit__()
            small.way = "limit"
        elif small.way != "tmpfs":
            pytest.skip("a tmpfs cannot be mounted here")
        yield small


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs and prlimit are Linux's")
def test_a_disk_is_full_and_then_it_is_not(disk: SmallDisk, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE, str(tmp_path / "disk" / "file")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip

    def said() -> str:
        assert process.stdin
        assert process.stdout
        process.stdin.write("\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    with process:
        assert said() == "written"
        with disk.full(lambda: process.pid):
            assert said() in ("No space left on device", "File too large")
        assert said() == "written"
        if process.stdin:
            process.stdin.close()
