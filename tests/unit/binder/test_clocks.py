"""The binder and clocks that are wrong: its own beats are as old as its own clock says."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from schemas.service_states import ServiceState
from schemas.topics import SERVICE_STATES
from services.binder.lease.board import StateBoard
from services.binder.lease.leases import Leases
from services.binder.lease.owners import OwnerTables
from services.binder.lease.watch import DROP_AFTER_S, Watch

AT_MS = 1_790_000_000_000
HOUR_MS = 3_600_000


class Scene:
    """A process that makes beats, and reads them back when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        self.made: dict[int, float] = {}
        self.watch = Watch("0|7", self.now_s)
        looked = SimpleNamespace(advance=lambda: None, check_free=lambda *_: None)
        self.tables = OwnerTables(self.watch, cast(StateBoard, None), cast(Leases, looked), self.made.get)
        monkeypatch.setattr("services.binder.lease.owners.monotonic_s", lambda: self.now_s)

    def makes(self, beat_at_ms: int) -> Any:
        """A beat, as its record."""
        self.made[beat_at_ms] = self.now_s
        return self.record(beat_at_ms)

    @staticmethod
    def record(beat_at_ms: int) -> Any:
        beat = ServiceState(
            service="binder", instance="0", pid=7, beat_at_ms=beat_at_ms, started_at_ms=0, ready=True, progress_at_ms=0
        )
        return SimpleNamespace(topic=SERVICE_STATES, key=b"binder|0|7", value=beat.to_json())


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


@pytest.mark.parametrize("step_ms", [HOUR_MS, -HOUR_MS])
def test_a_clock_that_is_set_neither_drops_a_bind_nor_keeps_it(scene: Scene, step_ms: int) -> None:
    for second in range(0, 60, 2):
        scene.now_s += 2
        beat = scene.makes(AT_MS + second * 1000 + (step_ms if second >= 30 else 0))
        scene.now_s += 0.02
        scene.tables.beat_read(beat)
        assert not scene.watch.must_drop(scene.now_s)
    late = scene.makes(AT_MS + 100_000)
    scene.now_s += DROP_AFTER_S / 2 + 1  # stopped, with the beat in its socket
    scene.tables.beat_read(late)
    assert not scene.watch.must_drop(scene.now_s)
    scene.now_s += DROP_AFTER_S / 2
    assert scene.watch.must_drop(scene.now_s), "as old as when it was made"


def test_beats_of_an_earlier_process_under_the_same_number_say_nothing(scene: Scene) -> None:
    scene.now_s += DROP_AFTER_S / 2 + 1
    scene.tables.beat_read(scene.record(AT_MS))
    scene.now_s += DROP_AFTER_S / 2
    assert scene.watch.must_drop(scene.now_s)
