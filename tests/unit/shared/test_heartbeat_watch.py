"""How old a heartbeat is: what a process that has slept must not be mistaken about."""

from types import SimpleNamespace

import pytest

from shared import kafka
from shared.kafka import FatalKafkaError, HeartbeatWatch


async def test_an_answer_that_was_read_after_a_sleep_is_as_old_as_its_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was sent and answered before the sleep; meanwhile somebody else may have been given the work."""
    now_s = 100.0
    monkeypatch.setattr(kafka, "monotonic_s", lambda: now_s)
    slept_s = 0.0

    async def heartbeat() -> bool:
        nonlocal now_s
        now_s += slept_s
        return True

    coordinator = SimpleNamespace(_do_heartbeat=heartbeat)
    watch = HeartbeatWatch(SimpleNamespace(_coordinator=coordinator))
    await coordinator._do_heartbeat()
    watch.check()
    slept_s = 15.0
    await coordinator._do_heartbeat()
    assert watch.age_s == 15.0
    with pytest.raises(FatalKafkaError, match=r"15\.0 s"):
        watch.check()
