"""Pure: what counts as healthy."""

from typing import Any

import pytest

from schemas.service_states import ServiceState
from schemas.topics import EVERY_SERVICE
from shared.operations.beats import Beat
from shared.operations.health import Health, judge
from shared.process.service import STUCK_MS

AT_MS = 1_790_000_000_000
HASH = "abcdefabcdef"


def beat(service: str, age_ms: int = 0, **changes: Any) -> Beat:
    state = ServiceState(
        service=service,
        instance="0",
        pid=7,
        beat_at_ms=AT_MS,
        started_at_ms=AT_MS - 60_000,
        ready=True,
        config_hash=HASH,
        progress_at_ms=AT_MS - 100,
    ).model_copy(update=changes)
    return Beat(state, age_ms)


ALL = [beat(name) for name in EVERY_SERVICE]


def test_all_is_well() -> None:
    assert judge(ALL, HASH, "") == []
    assert judge([*ALL, beat("simulator", ready=False, config_hash="")], HASH, "") == []


def test_a_service_that_does_not_run() -> None:
    assert judge(ALL[1:], HASH, "") == ["no ingress is running"]
    assert judge([], HASH, "") == [f"no {name} is running" for name in EVERY_SERVICE]


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
    assert judge([beat("ingress", **changes), *ALL[1:]], HASH, "") == [problem]
    assert judge([*ALL, beat("ingress", **changes)], HASH, "") == [problem]


def test_a_long_batch_is_not_stuck() -> None:
    assert judge([beat("ingress", progress_at_ms=AT_MS - STUCK_MS), *ALL[1:]], HASH, "") == []


def test_one_that_beats_no_more_grows_old() -> None:
    """By how old its beat is, not by what it says the time was."""
    silent = beat("ingress", 9_000, beat_at_ms=AT_MS + 3_600_000, progress_at_ms=AT_MS + 3_600_000 - STUCK_MS + 8_000)
    assert judge([silent, *ALL[1:]], HASH, "") == ["ingress 0 has not advanced for 31 s"]


@pytest.mark.parametrize("ready", [True, False])
def test_a_recorder_that_waits_spoils_it_also_while_clickhouse_answers_queries(ready: bool) -> None:
    error = "ClickHouse: Code: 243. DB::Exception: no space left; events since 2026-11-20 10:00 UTC wait"
    waiting = beat("recorder", ready=ready, lag=812, last_error=error)
    others = [other for other in ALL if other.state.service != "recorder"]
    assert judge([*others, waiting], HASH, "") == [f"recorder 0 waits, 812 events behind: {error}"]


def test_a_service_that_waits_for_a_partition_spoils_it() -> None:
    error = "Kafka: mt.dispatch.acme, partition 1 has 1 of 2 replicas that it needs in sync"
    waiting = beat("throttler", last_error=error)
    others = [other for other in ALL if other.state.service != "throttler"]
    assert judge([*others, waiting], HASH, "") == [f"throttler 0 waits: {error}"]


def test_clickhouse_counts() -> None:
    assert judge(ALL, HASH, "ClickHouse is away") == ["ClickHouse is away"]


def test_health_for_programs() -> None:
    shown = Health(AT_MS, ALL[:1], [], HASH, "ok", ["no encoder is running"]).as_dict()
    assert (shown["healthy"], shown["problems"]) == (False, ["no encoder is running"])
    assert shown["services"][0]["service"] == "ingress"
    assert Health(AT_MS, ALL, [], HASH, "ok").as_dict()["healthy"] is True
