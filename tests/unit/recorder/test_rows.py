"""Unit tests of events as rows."""

import orjson
import pytest

from schemas.lifecycle_events import LifecycleEvent
from services.recorder.rows import DAY_MS, RowProblem, insert_body, problem_of
from shared.messages.events import EventMaker

NOW = 1_800_000_000_000
EVENT = {
    "event_id": "01a20b71-4b69-75ab-8da3-0e0c3cc901f6",
    "event": "accepted",
    "service": "ingress",
    "occurred_at_ms": NOW,
    "accepted_at_ms": NOW,
}


def value(**changes: object) -> bytes:
    return orjson.dumps(EVENT | changes)


def test_bodies_are_lines() -> None:
    assert insert_body([b"{}", b'{"a":1}']) == b'{}\n{"a":1}'


@pytest.mark.parametrize("bad", [None, b"", b"[]", b"null", b"{", b"hello"])
def test_what_is_no_object_is_no_event(bad: bytes | None) -> None:
    problem = problem_of(bad, NOW)
    assert problem is not None
    assert problem.reason == "invalid_record"


def test_what_our_services_write_is_a_row() -> None:
    made = EventMaker("ingress", "0").out("accepted", occurred_at_ms=NOW, account_id="shop", final=True).value
    assert problem_of(made, NOW) is None
    model = LifecycleEvent(event_id=EVENT["event_id"], event="status", service="x", occurred_at_ms=NOW).to_json()
    assert problem_of(model, NOW) is None


@pytest.mark.parametrize(
    "changes",
    [{"new_field": {"a": [1]}}, {"event": "a word of a newer version"}, {"reason": None}, {"accepted_at_ms": 0}],
)
def test_newer_versions_and_nulls_are_fine(changes: dict[str, object]) -> None:
    assert problem_of(value(**changes), NOW) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"event_id": "x"}, "event_id"),
        ({"message_id": 7}, "message_id"),
        ({"segments": "3"}, "segments"),
        ({"segments": True}, "segments"),
        ({"final": "yes"}, "final"),
        ({"detail": {"a": 1}}, "detail"),
        ({"latency_ms": -1}, "latency_ms"),
        ({"latency_ms": 2**63}, "latency_ms"),
    ],
)
def test_wrong_fields_are_named(changes: dict[str, object], field: str) -> None:
    problem = problem_of(value(**changes), NOW)
    assert problem is not None
    assert (problem.reason, problem.field) == ("invalid_record", field)


@pytest.mark.parametrize("field", ["event_id", "event", "service", "occurred_at_ms"])
def test_missing_fields_are_named(field: str) -> None:
    event = {name: content for name, content in EVENT.items() if name != field}
    assert problem_of(orjson.dumps(event), NOW) == RowProblem("invalid_record", field, "the field is missing")


@pytest.mark.parametrize("days", [-60, 0, 2])
def test_times_about_the_records_own_are_fine(days: int) -> None:
    at_ms = NOW + days * DAY_MS
    assert problem_of(value(occurred_at_ms=at_ms, accepted_at_ms=at_ms), NOW) is None


@pytest.mark.parametrize("field", ["occurred_at_ms", "accepted_at_ms"])
@pytest.mark.parametrize("at_ms", [1, NOW - 98 * DAY_MS, NOW + 3 * DAY_MS, 2**62])
def test_absurd_times_are_named(field: str, at_ms: int) -> None:
    problem = problem_of(value(**{field: at_ms}), NOW)
    assert problem is not None
    assert (problem.reason, problem.field) == ("absurd_time", field)
