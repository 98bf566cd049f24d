"""Pure: which services are restarted because they do not advance."""

from schemas.service_states import ServiceState
from services.cli.watchdog import CHECK_S, GRACE_AFTER_OUTAGE_MS, stuck_services
from shared.service import STUCK_MS

AT_MS = 1_790_000_000_000
LIMIT_MS = STUCK_MS + int(CHECK_S * 1000)


def state(service: str, pid: int, progress_at_ms: int) -> ServiceState:
    return ServiceState(
        service=service, instance="0", pid=pid, beat_at_ms=AT_MS, started_at_ms=0, ready=True,
        progress_at_ms=progress_at_ms,
    )  # fmt: skip


STATES = {
    "ingress|0|1": state("ingress", 1, AT_MS - LIMIT_MS - 1),
    "encoder|0|2": state("encoder", 2, AT_MS - LIMIT_MS),
}
PIDS: dict[str, int | None] = {"ingress": 1, "encoder": 2}


def test_only_the_one_that_does_not_advance() -> None:
    assert stuck_services(STATES, PIDS, AT_MS, 0) == ["ingress"]


def test_what_an_earlier_process_or_another_machine_left_behind_does_not_count() -> None:
    assert stuck_services(STATES, {"ingress": 99, "encoder": 2}, AT_MS, 0) == []
    assert stuck_services(STATES, {"ingress": None, "encoder": 2}, AT_MS, 0) == []
    assert stuck_services(STATES, {"encoder": 2}, AT_MS, 0) == []


def test_nobody_is_restarted_during_an_outage_of_kafka_nor_for_a_minute_after() -> None:
    assert stuck_services(STATES, PIDS, AT_MS, AT_MS) == []
    assert stuck_services(STATES, PIDS, AT_MS, AT_MS - GRACE_AFTER_OUTAGE_MS + 1) == []
    assert stuck_services(STATES, PIDS, AT_MS, AT_MS - GRACE_AFTER_OUTAGE_MS) == ["ingress"]
