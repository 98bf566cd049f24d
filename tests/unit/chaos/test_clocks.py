"""Edge: the clock of one process is shifted, and only its own."""

import os
import subprocess
import sys
from pathlib import Path

from tests.chaos.clocks import Clocks

ASK = "import time; from shared.process.clock import now_ms; print(now_ms() // 1000 - int(time.time()))"


def test_a_clock_is_an_hour_off_for_one_service_of_one_instance(tmp_path: Path) -> None:
    clocks = Clocks(tmp_path, ["0", "1"])

    def off_s(service: str, instance: str) -> int:
        environment = os.environ | clocks.environment(instance)
        done = subprocess.run(
            [sys.executable, "-c", ASK, service], env=environment, capture_output=True, text=True, check=True
        )
        return round(int(done.stdout), -2)

    with clocks.shifted("encoder", "1", -3600):
        assert [off_s("encoder", "1"), off_s("encoder", "0"), off_s("ingress", "1")] == [-3600, 0, 0]
    assert off_s("encoder", "1") == 0


def test_clocks_that_are_set_wrong_twice_at_once(tmp_path: Path) -> None:
    clocks = Clocks(tmp_path, ["0"])
    file = tmp_path / "0" / "binder"
    ahead, behind = clocks.shifted("binder", "0", 3600), clocks.shifted("binder", "0", -1800)
    with ahead:
        with behind:
            assert file.read_text() == "1800000"
        assert file.read_text() == "3600000"
    assert not file.exists()
