"""Many messages in one request."""

from typing import Any

import httpx
import orjson
import pytest

from schemas.topics import MT_REQUESTS, MT_REQUESTS_OTP
from services.http_api.batch import BATCH_MESSAGES_MAX, BATCH_OCTETS_MAX
from tests.unit.http_api.scene import MESSAGE_ID, Scene, account

GOOD = {"to": "+447700900123", "text": "Hello"}
CSV = {"Content_Type": "text/csv; charset=utf-8"}
NDJSON = {"Content_Type": "application/x-ndjson"}


def _batch(scene: Scene, body: Any, path: str = "/v1/messages/batch", **headers: str) -> httpx.Response:
    return scene.call("POST", path, body, **headers)


def _lines(answer: httpx.Response) -> list[Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (202, "application/x-ndjson")
    return [orjson.loads(line) for line in answer.content.splitlines()]


def _sent(scene: Scene) -> list[Any]:
    return [orjson.loads(out.value or b"") for out in scene.outs]


def test_good_ones_go_out_although_others_are_bad() -> None:
    scene = Scene()
    messages = [{"to": "447700900123"}, {"text": "x"}, {"to": "1", "text": "own"}, 7, {"to": "447700900124"}]
    answer = _batch(scene, {"defaults": {"text": "all", "lane": "bulk"}, "messages": messages}, Idempotency_Key="k")
    assert (answer.status_code, answer.json()) == (
        202,
        {
            "accepted": 2,
            "rejected": 3,
            "results": [
                {"index": 0, "message_id": MESSAGE_ID},
                {"index": 1, "reason": "missing_field", "field": "to"},
                {"index": 2, "reason": "invalid_destination", "field": "to"},
                {"index": 3, "reason": "invalid_field", "field": ""},
                {"index": 4, "message_id": MESSAGE_ID},
            ],
        },
    )
    assert [(one["text"], one["lane"], one["idempotency_key"]) for one in _sent(scene)] == [
        ("all", "bulk", "k:0"),
        ("all", "bulk", "k:4"),
    ]


@pytest.mark.parametrize(
    ("body", "status", "reason", "field"),
    [
        ({}, 400, "missing_field", "messages"),
        ({"messages": []}, 400, "invalid_field", "messages"),
        ({"messages": {}}, 400, "invalid_field", "messages"),
        ({"messages": [GOOD], "defaults": []}, 400, "invalid_field", "defaults"),
        ({"messages": [GOOD], "default": {}}, 400, "invalid_field", "default"),
        ({"messages": [GOOD] * (BATCH_MESSAGES_MAX + 1)}, 413, "too_large", "messages"),
        (b" " * (BATCH_OCTETS_MAX + 1), 413, "too_large", None),
        (b"{", 400, "invalid_json", None),
    ],
)
def test_a_document_that_is_none(body: Any, status: int, reason: str, field: str | None) -> None:
    answer = _batch(Scene(), body)
    assert (answer.status_code, answer.json()["reason"], answer.json().get("field")) == (status, reason, field)


def test_kafka_that_does_not_answer() -> None:
    scene = Scene()
    scene.away = True
    assert _batch(scene, {"messages": [GOOD]}).json()["reason"] == "kafka_unavailable"
    lines = _lines(_batch(scene, b'{"to": "x"}\n' + orjson.dumps(GOOD) + b"\n", **NDJSON))
    assert lines[0]["index"] == 0 and lines[1:] == [{"error": "kafka_unavailable", "next_index": 1}]


def test_a_csv_with_defaults_in_the_query() -> None:
    scene = Scene()
    body = '\ufeffto,text,metadata.order\r\n+447700900123,"Hello, ""you""\r\nthere",7\r\n\r\n1,x,\r\n447700900124,,8'
    answer = _batch(scene, body.encode(), "/v1/messages/batch?lane=otp&text=default&metadata.a=b", **CSV)
    assert _lines(answer) == [
        {"index": 0, "message_id": MESSAGE_ID},
        {"index": 1, "reason": "invalid_destination", "field": "to"},
        {"index": 2, "message_id": MESSAGE_ID},
        {"accepted": 2, "rejected": 1},
    ]
    sent = _sent(scene)
    assert [one["text"] for one in sent] == ['Hello, "you"\r\nthere', "default"]
    assert [one["metadata"] for one in sent] == [{"order": "7"}, {"order": "8"}]
    assert {out.topic for out in scene.outs} == {MT_REQUESTS_OTP}


@pytest.mark.parametrize(("body", "field"), [(b"to,txt\n1,2", "txt"), (b"", "")])
def test_a_csv_without_its_header_row_is_refused_as_a_whole(body: bytes, field: str) -> None:
    answer = _batch(Scene(), body, **CSV)
    assert (answer.status_code, answer.json()["reason"], answer.json().get("field", "")) == (
        400,
        "invalid_field",
        field,
    )


def test_lines_of_json_and_rows_that_are_too_long() -> None:
    scene = Scene()
    body = orjson.dumps(GOOD) + b"\n" + b"x" * 70_000 + b"\n{\n" + orjson.dumps(GOOD | {"text": "é" * 10})
    assert _lines(_batch(scene, body, Idempotency_Key="k", **NDJSON)) == [
        {"index": 0, "message_id": MESSAGE_ID},
        {"index": 1, "reason": "too_large", "field": ""},
        {"index": 2, "reason": "invalid_json", "field": ""},
        {"index": 3, "message_id": MESSAGE_ID},
        {"accepted": 2, "rejected": 2},
    ]
    assert [one["idempotency_key"] for one in _sent(scene)] == ["k:0", "k:3"]
    assert {out.topic for out in scene.outs} == {MT_REQUESTS}


def test_a_batch_is_not_held_to_the_account_s_tps() -> None:
    scene = Scene(account("shop", "smsgw_shop_abc", limits={"tps": 1}))
    assert _batch(scene, {"messages": [GOOD] * 3}).json()["accepted"] == 3


@pytest.mark.parametrize(
    ("path", "headers", "status", "reason"),
    [
        ("/v1/messages/batch", {"Content_Type": "text/plain"}, 415, "unsupported_media_type"),
        ("/v1/messages/batch", {"Content_Encoding": "gzip"}, 415, "unsupported_media_type"),
        ("/v1/messages/batch?lane=otp", {}, 400, "invalid_field"),
        ("/v1/messages/batch?limit=1", CSV, 400, "invalid_field"),
        ("/v1/messages/batch", {"Idempotency_Key": "k" * 127}, 400, "invalid_field"),
    ],
)
def test_what_is_refused_before_a_row_is_read(path: str, headers: dict[str, str], status: int, reason: str) -> None:
    answer = _batch(Scene(), {"messages": [GOOD]}, path, **headers)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
