"""Messages taken back and put to another time, at the HTTP door."""

from typing import Any

import orjson
import pytest

from schemas.commands import Command
from schemas.topics import MT_COMMANDS
from services.http_api.access import rfc3339
from shared.process.clock import now_ms
from tests.unit.http_api.scene import CannedRows, Scene

ID = "01a22f73-54ef-7b89-8d42-2366122d5391"
SOON = rfc3339(now_ms() + 3_600_000)


def _commands(scene: Scene) -> list[dict[str, Any]]:
    assert all((out.topic, out.key) == (MT_COMMANDS, b"shop") for out in scene.outs)
    for out in scene.outs:
        Command.from_json(out.value or b"")
    return [orjson.loads(out.value or b"") for out in scene.outs]


def test_a_message_is_taken_back_or_moved_whether_it_is_known_or_not() -> None:
    scene = Scene()
    scene.clickhouse = CannedRows([], [{"own": 1}])
    answer = scene.call("DELETE", f"/v1/messages/{ID.replace('-', '')}")
    assert (answer.status_code, answer.json()) == (202, {"message_id": ID})
    answer = scene.call("PATCH", f"/v1/messages/{ID}", {"send_at": SOON})
    assert (answer.status_code, answer.json()) == (202, {"message_id": ID})
    assert [(one["command"], one["message_id"], one.get("send_at")) for one in _commands(scene)] == [
        ("cancel", ID, None),
        ("reschedule", ID, SOON),
    ]


def test_a_campaign_is_taken_back() -> None:
    scene = Scene()
    assert scene.call("DELETE", "/v1/campaigns/spring").json() == {"campaign_id": "spring"}
    assert [(one["command"], one["campaign_id"]) for one in _commands(scene)] == [("cancel_campaign", "spring")]


@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
def test_another_account_s_message_is_not_found(method: str) -> None:
    scene = Scene()
    scene.clickhouse = CannedRows([{"own": 0}])
    body = {"send_at": SOON} if method == "PATCH" else None
    assert scene.call(method, f"/v1/messages/{ID}", body).status_code == 404
    assert scene.call(method, "/v1/messages/x", body).status_code == 404
    assert scene.outs == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "missing_field"),
        ({"send_at": "soon"}, "invalid_field"),
        ({"send_at": 5}, "invalid_field"),
        ({"send_at": "2020-01-01T00:00:00Z"}, "schedule_out_of_range"),
        (b"[]", "invalid_json"),
    ],
)
def test_a_time_is_judged_as_that_of_a_request(body: Any, reason: str) -> None:
    scene = Scene()
    answer = scene.call("PATCH", f"/v1/messages/{ID}", body)
    assert (answer.status_code, answer.json()["reason"], scene.outs) == (400, reason, [])
