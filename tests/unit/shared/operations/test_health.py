"""Pure: what counts as healthy."""

from typing import Any

import pytest

from schemas.service_states import ServiceState
from schemas.topics import EVERY_SERVICE
from shared.operations.health import Health, judge
from shared.process.service import STUCK_MS

AT_MS = 1_790_000_000_000
HASH = "abcdefabcdef"


def state(service: str, **changes: Any) -> ServiceState:
    return ServiceState(
        service=service,
        instance="0",
        pid=7,
        beat_at_ms=AT_MS,
        started_at_ms=AT_MS - 60_000,
        ready=True,
        config_hash=HASH,
        progress_at_ms=AT_MS - 100,
    ).model_copy(update=changes)


ALL = [state(name) for name in EVERY_SERVICE]


def test_all_is_well() -> None:
    assert judge(ALL, HASH, "", AT_MS) == []
    assert judge([*ALL, state("simulator", ready=False, config_hash="")], HASH, "", AT_MS) == []


def test_a_service_that_does_not_run() -> None:
    assert judge(ALL[1:], HASH, "", AT_MS) == ["no ingress is running"]
    assert judge([], HASH, "", AT_MS) == [f"no {name} is running" for name in EVERY_SERVICE]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"ready": False}, "ingress 0 is starting"),
        ({"config_hash": ""}, f"ingress 0 has not read configuration {HASH}"),
        ({"config_hash": "older"}, f"ingress 0 has not read configuration {HASH}"),
        ({"progress_at_ms": AT_MS - STUCK_MS - 1}, "ingress 0 has not advanced for 30 s"),
    ],
)
def test_one_that_is_not_well_spoils_it(changes: dict[str, Any], problem: str) -> None:
    assert judge([state("ingress", **changes), *ALL[1:]], HASH, "", AT_MS) == [problem]
    assert judge([*ALL, state("ingress", **changes)], HASH, "", AT_MS) == [problem]


def test_a_long_batch_is_not_stuck() -> None:
    assert judge([state("ingress", progress_at_ms=AT_MS - STUCK_MS), *ALL[1:]], HASH, "", AT_MS) == []


def test_clickhouse_counts() -> None:
    assert judge(ALL, HASH, "ClickHouse is away", AT_MS) == ["ClickHouse is away"]


def test_health_for_programs() -> None:
    shown = Health(AT_MS, ALL[:1], [], HASH, "ok", ["no encoder is running"]).as_dict()
    assert (shown["healthy"], shown["problems"]) == (False, ["no encoder is running"])
    assert shown["services"][0]["service"] == "ingress"
    assert Health(AT_MS, ALL, [], HASH, "ok").as_dict()["healthy"] is True
