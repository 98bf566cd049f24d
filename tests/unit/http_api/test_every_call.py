"""What is true of every call of the HTTP API: no answer without a key, and nothing of another account."""

import re

import pytest

from services.http_api.calls import Endpoints, calls_of
from services.http_api.command_calls import CommandCalls
from services.http_api.event_calls import EventCalls
from services.http_api.opt_out_calls import OptOutCalls
from services.http_api.reads import Reads
from services.http_api.routes import Call
from services.http_api.sending import Sending
from tests.unit.http_api.scene import OTHER_KEY, CannedFeed, CannedRows, Scene

_SCENE = Scene()
CALLS = calls_of(
    Endpoints(
        Sending(_SCENE, _SCENE.known, _SCENE.opt_outs),
        Reads(CannedRows()),
        OptOutCalls(_SCENE, _SCENE.opt_outs),
        EventCalls(CannedFeed()),
        CommandCalls(_SCENE, CannedRows()),
    )
)
VALUES = {
    "message_id": "01a22f73-54ef-7b89-8d42-2366122d5391",
    "campaign_id": "spring",
    "number": "447700900001",
}
"""What stands in addresses: all of it is the account shop's."""
BODIES = {
    "POST /v1/messages": {"to": "+447700900123", "text": "x", "idempotency_key": "k", "account_id": "shop"},
    "POST /v1/messages/preview": {"to": "+447700900001", "text": "x", "account_id": "shop"},
    "PATCH /v1/messages/{message_id}": {"send_at": "2099-01-01T00:00:00Z", "account_id": "shop"},
    "POST /v1/messages/batch": {"messages": [{"to": "+447700900123", "text": "x", "account_id": "shop"}]},
}


def _path(call: Call) -> str:
    return re.sub(r"{(\w+)}", lambda found: VALUES[found[1]], call.path)


def _names(call: Call) -> str:
    return f"{call.method} {call.path}"


@pytest.mark.parametrize("call", CALLS, ids=_names)
@pytest.mark.parametrize("key", [None, "smsgw_shop_wrong"])
def test_nothing_is_answered_without_a_key(call: Call, key: str | None) -> None:
    scene = Scene()
    answer = scene.call(call.method, _path(call), BODIES.get(_names(call)), key)
    assert (answer.status_code, answer.json()["reason"]) == (401, "unauthorized")
    assert scene.outs == [] and isinstance(scene.clickhouse, CannedRows) and scene.clickhouse.asked == []


@pytest.mark.parametrize("call", CALLS, ids=_names)
def test_a_query_that_an_address_does_not_know_is_refused(call: Call) -> None:
    answer = Scene().call(call.method, _path(call) + "?account_id=shop", BODIES.get(_names(call)))
    assert (answer.status_code, answer.json()["field"]) == (400, "account_id") or "batch" in call.path


@pytest.mark.parametrize("call", CALLS, ids=_names)
def test_another_account_s_data_is_nowhere(call: Call) -> None:
    """The scene is the account shop's; the account other asks. Every query is held to the one that asks, and no record
    that is written names another."""
    scene = Scene()
    scene.opt_outs.apply(b"shop|447700900001", b'{"since_ms": 1}')
    answer = scene.call(call.method, _path(call), BODIES.get(_names(call)), OTHER_KEY)
    assert isinstance(scene.clickhouse, CannedRows)
    for query, parameters in scene.clickhouse.asked:
        assert "account_id = {account:String}" in query and parameters["account"] == "other"
    assert isinstance(scene.feed, CannedFeed) and all(asked == "other" for asked, _ in scene.feed.asked)
    for out in scene.outs:
        assert b"shop" not in (out.key or b"") + (out.value or b"")
    if call.method == "POST" and "batch" not in call.path:
        assert (answer.status_code, answer.json()["reason"]) == (403, "account_mismatch")
    assert "447700900001" not in answer.text or call.method != "GET"
