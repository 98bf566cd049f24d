"""The door as a client sees it, without Kafka."""

from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from services.http_api.access import MESSAGE_OCTETS_MAX
from services.http_api.authentication import ATTEMPTS_MAX
from shared.messages.admission import Admitted, admit
from shared.messages.idempotency import body_hash, changelog_value, key_hash
from tests.unit.http_api.scene import AT_MS, KEY, MESSAGE_ID, Scene, account

HELLO = {"to": "+447700900123", "text": "Hello"}


def _post(body: Any, **headers: str) -> httpx.Response:
    return Scene().call("POST", "/v1/messages", body, **headers)


def test_a_message_is_accepted() -> None:
    answer = _post({"to": "+447700900123", "text": "Hello"}, X_Request_Id="r 1")
    assert (answer.status_code, answer.headers["location"]) == (202, f"/v1/messages/{MESSAGE_ID}")
    assert answer.headers["x-request-id"] == "r 1"
    assert answer.json() == {
        "message_id": MESSAGE_ID, "status": "accepted", "to": "+447700900123", "from": "SHOP", "lane": "txn",
        "encoding": "gsm7", "segments": 1, "accepted_at": "2026-05-28T20:26:40.123Z",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "body", "status", "reason"),
    [
        ({"Authorization": "Bearer x"}, b"{}", 401, "unauthorized"),
        ({"Content_Type": "text/plain"}, b"{}", 415, "unsupported_media_type"),
        ({"Content_Encoding": "gzip"}, b"{}", 415, "unsupported_media_type"),
        ({}, b" " * (MESSAGE_OCTETS_MAX + 1), 413, "too_large"),
        ({}, b"{", 400, "invalid_json"),
        ({"Idempotency_Key": "k" * 129}, b"{}", 400, "invalid_field"),
    ],
)
def test_what_is_refused_is_a_problem(headers: dict[str, str], body: bytes, status: int, reason: str) -> None:
    answer = _post(body, **headers)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert answer.headers["content-type"] == "application/problem+json"
    assert ("www-authenticate" in answer.headers) == (status == 401)


def test_an_id_that_cannot_go_back_is_replaced() -> None:
    answer = _post({"to": "+447700900123", "text": "Hello"}, X_Request_Id="x" * 129)
    assert len(answer.headers["x-request-id"]) == 32


def test_kafka_that_does_not_answer_is_told() -> None:
    scene = Scene()
    scene.away = True
    answer = scene.call("POST", "/v1/messages", HELLO)
    assert (answer.status_code, answer.json()["reason"]) == (503, "kafka_unavailable")


def test_guessing_is_slowed_and_a_right_key_is_served() -> None:
    async def ask(client: httpx.AsyncClient) -> tuple[list[int], str, int]:
        wrong = [
            await client.post("/v1/messages", headers={"Authorization": "Bearer x"}) for _ in range(ATTEMPTS_MAX + 1)
        ]
        body = {"to": "+447700900123", "text": "x"}
        right = await client.post("/v1/messages", json=body, headers={"Authorization": f"Bearer {KEY}"})
        return [one.status_code for one in wrong], wrong[-1].headers["retry-after"], right.status_code

    codes, retry_after, right = Scene().asked(ask)
    assert codes == [401] * ATTEMPTS_MAX + [429]
    assert (retry_after, right) == ("60", 202)


def test_the_description_names_the_problems_and_the_body() -> None:
    async def ask(client: httpx.AsyncClient) -> Any:
        return (await client.get("/openapi.json")).json(), (await client.get("/v1/nothing")).json()

    document, missing = Scene().asked(ask)
    post = document["paths"]["/v1/messages"]["post"]
    assert document["openapi"].startswith("3.1") and set(post["responses"]) >= {"202", "400", "401", "503"}
    assert missing["reason"] == "not_found"


@pytest.mark.parametrize("path", ["/v1/messages?lane=otp", "/v1/messages/preview?dry_run=1"])
def test_a_query_that_means_nothing_is_refused(path: str) -> None:
    answer = Scene().call("POST", path, HELLO)
    assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_field")


def _taken(scene: Scene, topic: str = "ingress.keys") -> None:
    """Ingress has seen the key k1 with the text Hello."""
    admitted = admit(b'{"account_id": "shop", "to": "447700900123", "text": "Hello"}', AT_MS, "txn")
    assert isinstance(admitted, Admitted)
    value = changelog_value("03bb2cc3-d800-7000-8000-000000000001", body_hash(admitted), NOW_MS, 7)
    scene.known.saw(topic, key_hash("shop", "k1").hex().encode(), value)


NOW_MS = 4_102_444_800_000
"""Later than any test runs: no key is forgotten for its age."""


def test_a_repeat_is_answered_with_the_first_id_and_another_body_refused() -> None:
    scene = Scene()
    assert scene.call("POST", "/v1/messages", HELLO, Idempotency_Key="k1").status_code == 202
    _taken(scene)
    again = scene.call("POST", "/v1/messages", HELLO | {"encoding": "auto"}, Idempotency_Key="k1")
    assert (again.status_code, again.json()) == (
        200,
        {"message_id": "03bb2cc3-d800-7000-8000-000000000001", "duplicate": True},
    )
    other = scene.call("POST", "/v1/messages", HELLO | {"text": "Hullo"}, Idempotency_Key="k1")
    assert (other.status_code, other.json()["reason"], other.json()["field"]) == (
        409,
        "idempotency_conflict",
        "idempotency_key",
    )
    assert len(scene.outs) == 1


def test_keys_of_lane_otp_and_of_other_accounts_are_others() -> None:
    scene = Scene()
    _taken(scene)
    assert scene.call("POST", "/v1/messages", HELLO | {"lane": "otp"}, Idempotency_Key="k1").status_code == 202
    assert scene.call("POST", "/v1/messages", HELLO, "smsgw_other_abc", Idempotency_Key="k1").status_code == 202


def test_a_preview_says_what_would_be_and_sends_nothing() -> None:
    scene = Scene()
    scene.opt_outs.apply(b"shop|447700900123", b'{"since_ms": 1}')
    body = HELLO | {"text": "“" + "a" * 80, "transliterate": True}
    answer = scene.call("POST", "/v1/messages/preview", body)
    assert answer.json() == {
        "encoding": "gsm7", "why": "transliteration replaced 1 character(s): 1 segment(s) instead of 2 in ucs2",
        "segments": 1, "units": "septets", "units_used": 81, "units_left": 79, "connector_id": None, "route": None,
        "opted_out": True, "changes": [
            {"position": 0, "original": "“", "replacement": '"', "reason": "typographic quotation mark"},
        ],
    }  # fmt: skip
    assert scene.outs == []


def test_an_account_has_its_tps_and_passwords_go_before() -> None:
    shop = account("shop", KEY, limits={"tps": 2})

    async def ask(client: httpx.AsyncClient) -> list[httpx.Response]:
        headers = {"Authorization": f"Bearer {KEY}"}
        bodies = [HELLO, HELLO, HELLO, HELLO | {"lane": "otp"}]
        return [await client.post("/v1/messages", json=body, headers=headers) for body in bodies]

    answers = Scene(shop).asked(ask)
    assert [one.status_code for one in answers] == [202, 202, 429, 202]
    assert (answers[2].json()["reason"], answers[2].headers["retry-after"]) == ("rate_limited", "1")


def test_browsers_may_ask_only_from_pages_that_are_named() -> None:
    asking = {"Origin": "https://shop.example", "Access_Control_Request_Method": "POST"}
    asking |= {"Access_Control_Request_Headers": "authorization,content-type,idempotency-key"}
    off = Scene().call("OPTIONS", "/v1/messages", None, None, **asking)
    assert off.status_code == 405 and "access-control-allow-origin" not in off.headers
    scene = Scene(api_cors_origins="https://shop.example, https://other.example")
    on = scene.call("OPTIONS", "/v1/messages", None, None, **asking)
    assert (on.status_code, on.headers["access-control-allow-origin"]) == (200, "https://shop.example")
    sent = scene.call("POST", "/v1/messages", HELLO, Origin="https://shop.example")
    assert sent.status_code == 202 and "Location" in sent.headers["access-control-expose-headers"]
    stranger = scene.call("POST", "/v1/messages", HELLO, Origin="https://stranger.example")
    assert "access-control-allow-origin" not in stranger.headers


def test_the_description_for_people_has_every_call_and_nothing_from_elsewhere() -> None:
    answer = Scene().call("GET", "/docs", None, None)
    document = Scene().call("GET", "/openapi.json", None, None).json()
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
    for path in document["paths"]:
        assert f" {path}</b>" in answer.text
    assert "src=" not in answer.text and "http://" not in answer.text and "https://" not in answer.text


def test_the_description_is_one_by_the_official_schema() -> None:
    document = Scene().call("GET", "/openapi.json", None, None).json()
    OpenAPIV31SpecValidator(document).validate()
    assert document["components"]["securitySchemes"].keys() == {"bearer", "basic"}
