"""The door in Twilio's language, asked by Twilio's own client, on a real socket."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from services.http_api.reads import cursor_of
from shared.operations.keys import twilio_account
from tests.unit.http_api.listening import listening
from tests.unit.http_api.scene import AT_MS, KEY, MESSAGE_ID, OTHER_KEY, CannedRows, Scene, account
from tests.unit.http_api.test_reads import OLD, ROW

SID = twilio_account("shop")
MESSAGE_SID = f"SM{MESSAGE_ID.replace('-', '')}"
TOKEN = "token-shop"
TWILIO = {"auth_token": {"env": "SMSGW_SECRET_X"}}
MORE_INFO = "https://www.twilio.com/docs/errors/"
BASE = f"/2010-04-01/Accounts/{SID}/Messages"


def _scene(*answers: list[dict[str, Any]], **settings: Any) -> Scene:
    scene = Scene(account("shop", KEY, twilio=TWILIO, **settings), account("other", OTHER_KEY))
    scene.clickhouse = CannedRows(*answers)
    return scene


def _with_client(scene: Scene, ask: Callable[[Client], Any], user: str = SID, secret: str = TOKEN) -> Any:
    async def asking() -> Any:
        async with listening(scene) as port:
            client = Client(user, secret, account_sid=SID)
            client.api.base_url = f"http://127.0.0.1:{port}"
            return await asyncio.to_thread(ask, client)

    return asyncio.run(asking())


@pytest.mark.parametrize(("user", "password"), [(SID, "token-shop"), ("shop", KEY), (SID, KEY), ("shop", "token-shop")])
def test_a_message_is_created(user: str, password: str) -> None:
    scene = _scene()
    made = _with_client(
        scene, lambda c: c.messages.create("+447700900123", from_="84433", body="Hello"), user, password
    )
    assert (made.sid, made.account_sid, made.status, made.num_segments) == (MESSAGE_SID, SID, "queued", "1")
    assert (made.to, made.from_, made.body, made.error_code) == ("+447700900123", "84433", "Hello", None)
    assert made.date_created == datetime.fromtimestamp(AT_MS // 1000, UTC)
    assert b'"receipt":"all"' in (scene.outs[0].value or b"")


def test_more_of_what_may_be_asked_for() -> None:
    scene = _scene()
    at = datetime.fromtimestamp(AT_MS // 1000 + 2_000_000_000, UTC)
    with pytest.raises(TwilioRestException) as refused:
        _with_client(scene, lambda c: c.messages.create("+447700900123", body="x", send_at=at, schedule_type="fixed"))
    assert refused.value.code == 35114
    _with_client(scene, lambda c: c.messages.create("+447700900123", body="x", validity_period=60, smart_encoded=True))
    assert b'"validity_s":60' in (scene.outs[0].value or b"") and b'"transliterate":true' in (
        scene.outs[0].value or b""
    )


@pytest.mark.parametrize(
    ("asked", "code", "status"),
    [
        ({"to": "", "body": "x"}, 21604, 400),
        ({"to": "+447700900123", "body": ""}, 21602, 400),
        ({"to": "nobody", "body": "x"}, 21211, 400),
        ({"to": "+447700900123", "body": "x", "from_": "far too long a name"}, 21212, 400),
        ({"to": "+447700900123", "body": "x" * 20_000}, 21617, 400),
        ({"to": "+447700900124", "body": "x"}, 21610, 400),
        ({"to": "+447700900123", "body": "x", "status_callback": "https://x.example/"}, 21609, 400),
        ({"to": "+447700900123", "body": "x", "media_url": ["https://x.example/"]}, 20001, 400),
        ({"to": "+447700900123", "body": "x", "validity_period": 0}, 20001, 400),
    ],
)
def test_what_is_refused_has_twilio_s_number(asked: dict[str, Any], code: int, status: int) -> None:
    scene = _scene()
    scene.opt_outs.apply(b"shop|447700900124", b"{}")
    with pytest.raises(TwilioRestException) as refused:
        _with_client(scene, lambda c: c.messages.create(**asked))
    assert (refused.value.code, refused.value.status, scene.outs) == (code, status, [])


@pytest.mark.parametrize(
    ("user", "password", "code"),
    [(SID, "token-other", 20003), ("other", "token-shop", 20003), ("other", OTHER_KEY, 20404), (SID, OTHER_KEY, 20003)],
)
def test_another_account_is_not_let_in(user: str, password: str, code: int) -> None:
    scene = _scene()
    with pytest.raises(TwilioRestException) as refused:
        _with_client(scene, lambda c: c.messages.create("+447700900123", body="x"), user, password)
    assert (refused.value.code, scene.outs) == (code, [])


def test_errors_carry_no_type() -> None:
    answer = _scene().call("GET", f"{BASE}.json", None, None)
    assert (answer.status_code, answer.json()) == (
        401,
        {
            "code": 20003,
            "message": "Authenticate",
            "more_info": "https://www.twilio.com/docs/errors/20003",
            "status": 401,
        },
    )
    assert answer.headers["www-authenticate"] == 'Basic realm="Twilio API"'


@pytest.mark.parametrize(
    ("row", "word", "error"),
    [
        ({"status": "submitted"}, "sent", None),
        ({"status": "delivered", "final": 1, "finished_ms": 1_780_000_002_000}, "delivered", None),
        ({"status": "rejected", "final": 1, "reason": "opted_out"}, "failed", 21610),
        ({"status": "undeliverable", "final": 1, "reason": "smsc_undelivered"}, "undelivered", 30008),
        ({"status": "cancelled", "final": 1}, "canceled", None),
        ({"status": "scheduled"}, "scheduled", None),
    ],
)
def test_a_message_is_fetched_in_twilio_s_words(row: dict[str, Any], word: str, error: int | None) -> None:
    scene = _scene([ROW | row])
    found = _with_client(scene, lambda c: c.messages(f"SM{OLD.replace('-', '')}").fetch())
    assert (found.status, found.error_code, found.body, found.num_segments) == (word, error, None, "1")
    assert isinstance(scene.clickhouse, CannedRows) and scene.clickhouse.asked[0][1]["account"] == "shop"


def _fetching(sid: str) -> Callable[[Client], Any]:
    return lambda client: client.messages(sid).fetch()


def test_what_is_not_there_and_what_cannot_be_changed() -> None:
    scene = _scene()
    for sid in (f"SM{OLD.replace('-', '')}", "SMx"):
        with pytest.raises(TwilioRestException) as refused:
            _with_client(scene, _fetching(sid))
        assert (refused.value.status, refused.value.code) == (404, 20404)
    with pytest.raises(TwilioRestException) as refused:
        _with_client(scene, lambda c: c.messages(MESSAGE_SID).update(status="queued"))
    assert refused.value.code == 20001
    taken = _with_client(_scene([ROW]), lambda c: c.messages(MESSAGE_SID).update(body=""))
    assert taken.body is None


@pytest.mark.parametrize(("final", "commands"), [(0, 1), (1, 0)])
def test_what_waits_is_canceled(final: int, commands: int) -> None:
    scene = _scene([ROW | {"status": "scheduled", "final": final}])
    asked = _with_client(scene, lambda c: c.messages(MESSAGE_SID).update(status="canceled"))
    assert (asked.status, len(scene.outs)) == ("scheduled", commands)
    assert all(b'"command":"cancel"' in (out.value or b"") and out.key == b"shop" for out in scene.outs)


def test_a_list_goes_on_from_page_to_page() -> None:
    rows: list[dict[str, Any]] = [ROW | {"id": str(UUID(int=UUID(OLD).int - place))} for place in range(5)]
    scene = _scene(rows[:3], rows[2:5], rows[4:])
    after, before = date(2026, 11, 1), date(2026, 12, 1)
    found = _with_client(
        scene,
        lambda c: c.messages.list(to="+447700900123", date_sent_after=after, date_sent_before=before, page_size=2),
    )
    assert [one.sid for one in found] == [f"SM{row['id'].replace('-', '')}" for row in rows]
    assert isinstance(scene.clickhouse, CannedRows)
    first, second, third = (parameters for _, parameters in scene.clickhouse.asked)
    assert (first["to"], first["since"], first["until"]) == ("447700900123", 1_793_491_200_000, 1_796_083_200_001)
    assert second["to"] == "447700900123" and second["cursor"] == UUID(rows[1]["id"]).int
    assert third["cursor"] == UUID(rows[3]["id"]).int


def test_a_query_that_twilio_does_not_know_is_refused() -> None:
    auth = httpx.BasicAuth("shop", KEY)

    async def ask(client: httpx.AsyncClient) -> list[httpx.Response]:
        queries = ("Fruit=1", "PageToken=x", "DateSent=soon", "PageSize=x")
        return [await client.get(f"{BASE}.json?{query}", auth=auth) for query in queries]

    assert [one.json()["code"] for one in _scene().asked(ask)] == [20001] * 4
    assert cursor_of(UUID(OLD)) != ""
