"""Reads: what is asked of ClickHouse and what is told, without it."""

from typing import Any
from uuid import UUID

import pytest

from services.http_api.queries import message_uuid
from services.http_api.reads import cursor_of
from shared.process.clock import now_ms
from tests.unit.http_api.scene import CannedRows, Scene

OLD = "01a22f73-54ef-7b89-8d42-2366122d5391"
ROW: dict[str, Any] = {
    "id": OLD, "account_id": "shop", "campaign_id": "", "to": "447700900123", "sender": "SHOP", "lane": "txn",
    "status": "submitted", "final": 0, "reason": "", "segments": 1, "segments_delivered": 0,
    "accepted_ms": 1_780_000_000_123, "submitted_ms": 1_780_000_001_000, "finished_ms": None,
}  # fmt: skip


def _scene(*answers: list[dict[str, Any]]) -> tuple[Scene, CannedRows]:
    scene, rows = Scene(), CannedRows(*answers)
    scene.clickhouse = rows
    return scene, rows


def test_a_message_and_its_steps() -> None:
    empty = {"reason": "", "detail": ""}
    step = {"event": "submitted", "at_ms": 1_780_000_001_000, "segment_index": 1, "connector_id": "acme-1"} | empty
    scene, rows = _scene([ROW], [step])
    assert scene.call("GET", f"/v1/messages/{OLD.replace('-', '')}").json() == {
        "message_id": OLD, "status": "submitted", "final": False, "to": "+447700900123", "from": "SHOP", "lane": "txn",
        "segments": 1, "segments_delivered": 0, "accepted_at": "2026-05-28T20:26:40.123Z",
        "submitted_at": "2026-05-28T20:26:41.000Z",
        "events": [
            {"event": "submitted", "at": "2026-05-28T20:26:41.000Z", "segment_index": 1, "connector_id": "acme-1"}
        ],
    }  # fmt: skip
    assert rows.asked[0][1] == {"id": OLD, "account": "shop"}


def test_a_dropped_repeat_names_the_first() -> None:
    scene, rows = _scene([], [{"first_id": OLD}])
    answer = scene.call("GET", f"/v1/messages/{OLD}").json()
    assert answer == {"message_id": OLD, "status": "duplicate", "final": True, "duplicate_of": OLD}
    assert rows.asked[1][1]["detail"] == f"a repeat was dropped: {OLD}"


@pytest.mark.parametrize(
    ("age_ms", "reason"), [(0, "not-visible-yet"), (58_000, "not-visible-yet"), (61_000, "not_found")]
)
def test_what_is_not_there_may_only_be_young(age_ms: int, reason: str) -> None:
    digits = f"{now_ms() - age_ms:012x}70008000{1:012x}"
    answer = _scene()[0].call("GET", f"/v1/messages/{digits}")
    assert (answer.status_code, answer.json()["reason"]) == (404, reason)
    assert answer.headers.get("retry-after") == ("1" if reason == "not-visible-yet" else None)


@pytest.mark.parametrize("text", ["x", OLD[:-1], OLD + "0", OLD.replace("-", "_"), "-" * 36, "{" + OLD + "}"])
def test_what_is_no_id_is_not_found(text: str) -> None:
    assert message_uuid(text) is None
    scene, rows = _scene([ROW])
    assert scene.call("GET", f"/v1/messages/{text}").status_code == 404
    assert rows.asked == []


def test_a_list_has_its_filters_and_a_cursor() -> None:
    scene, rows = _scene([ROW, ROW | {"id": "01a22f73-54ef-7b89-8d42-2366122d5390"}])
    query = "to=+447700900123&from=%2BSHOP&status=queued,delivered&lane=txn&campaign_id=c"
    times = "since=2026-12-01T00:00:00%2B01:00&until=2026-12-01T00:00:00+00:00"
    page = scene.call("GET", f"/v1/messages?{query}&{times}&limit=1").json()
    assert [one["message_id"] for one in page["messages"]] == [OLD]
    parameters = rows.asked[0][1]
    assert parameters == {
        "account": "shop", "to": "447700900123", "from": "SHOP", "status": ["queued", "delivered"], "lane": "txn",
        "campaign_id": "c", "since": 1_796_079_600_000, "until": 1_796_083_200_000, "limit": 2,
    }  # fmt: skip
    assert page["next_cursor"] == cursor_of(UUID(OLD))
    assert "next_cursor" not in scene.call("GET", f"/v1/messages?cursor={page['next_cursor']}").json()
    assert rows.asked[1][1]["cursor"] == UUID(OLD).int


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit"), ("since=yesterday", "since"),
        ("status=delivered,lost", "status"), ("lane=fast", "lane"), ("cursor=abc", "cursor"), ("too=1", "too"),
        ("limit=1&limit=2", "limit"), ("a=%ff", "query"),
    ],
)  # fmt: skip
def test_a_filter_that_means_nothing_is_refused(query: str, field: str) -> None:
    scene, rows = _scene([ROW])
    answer = scene.call("GET", f"/v1/messages?{query}")
    assert (answer.status_code, answer.json()["reason"], answer.json()["field"]) == (400, "invalid_field", field)
    assert rows.asked == []


def test_a_campaign_is_counted_and_an_unknown_one_not_found() -> None:
    counts = [{"status": "delivered", "messages": 2}, {"status": "queued", "messages": 1}]
    scene, _ = _scene(counts)
    told = scene.call("GET", "/v1/campaigns/spring").json()
    assert told == {"campaign_id": "spring", "total": 3, "statuses": {"delivered": 2, "queued": 1}}
    assert scene.call("GET", "/v1/campaigns/summer").status_code == 404


def test_opt_outs_are_read_written_and_taken_back() -> None:
    scene = Scene()
    assert scene.call("GET", "/v1/optouts/447700900001").status_code == 404
    assert scene.call("PUT", "/v1/optouts/+447700900001").status_code == 204
    for out in scene.outs:
        scene.opt_outs.apply(out.key, out.value)
    scene.opt_outs.apply(b"*|447700900002", b'{"since_ms": 1, "source": "cli"}')
    scene.opt_outs.apply(b"shop|84433|447700900003", b'{"since_ms": 2, "source": "handset"}')
    told = scene.call("GET", "/v1/optouts?limit=2").json()
    assert [(one["number"], one["scope"], one["source"]) for one in told["optouts"]] == [
        ("+447700900001", "account", "api"),
        ("+447700900002", "all", "cli"),
    ]
    rest = scene.call("GET", f"/v1/optouts?cursor={told['next_cursor']}").json()
    assert rest == {
        "optouts": [
            {"number": "+447700900003", "since": "1970-01-01T00:00:00.002Z", "source": "handset", "scope": "account",
             "from": "84433"}
        ]
    }  # fmt: skip
    scene.outs.clear()
    assert scene.call("DELETE", "/v1/optouts/447700900003").status_code == 204
    assert {(out.key, out.value) for out in scene.outs} == {
        (b"shop|447700900003", None), (b"shop|84433|447700900003", None)
    }  # fmt: skip
    assert scene.call("PUT", "/v1/optouts/4477x").status_code == 400
