"""The door as a client sees it, without Kafka."""

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

import httpx
import orjson
import pytest

from schemas.gateway.accounts import Account, ApiKey
from services.http_api.authentication import ATTEMPTS_MAX, KeyRing
from services.http_api.intake import Rules
from services.http_api.publisher import KafkaHasIt, NotAcknowledged
from services.http_api.routes import MESSAGE_OCTETS_MAX, Door, DoorView, make_app
from services.http_api.settings import ApiSettings
from shared.kafka.records import Out
from shared.messages.country import CountryTable
from shared.messages.routing import GatewayView

KEY = "smsgw_shop_abc"
SHOP = Account(id="shop", default_sender="SHOP", api_keys=(ApiKey(id="web", sha256=sha256(KEY.encode()).hexdigest()),))
ID = "01a22f73-54ef-7b89-8d42-2366122d5391"


class _Kafka:
    def __init__(self) -> None:
        self.away = False
        self.outs: list[Out] = []

    async def publish(self, out: Out) -> KafkaHasIt:
        if self.away:
            raise NotAcknowledged
        self.outs.append(out)
        return KafkaHasIt(ID, 1_780_000_000_123)


def _asked(ask: Callable[[httpx.AsyncClient, _Kafka], Awaitable[Any]]) -> Any:
    async def asked() -> Any:
        kafka = _Kafka()
        ring = KeyRing((SHOP,), lambda key: bytes.fromhex(key.sha256 or ""))
        door = Door(ApiSettings(), lambda: DoorView(ring, Rules(GatewayView(None), CountryTable({}))), kafka)
        transport = httpx.ASGITransport(make_app(door))
        async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
            return await ask(client, kafka)

    return asyncio.run(asked())


def _post(body: Any, **headers: str) -> httpx.Response:
    async def ask(client: httpx.AsyncClient, _: _Kafka) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"} | named
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        return await client.post("/v1/messages", content=content, headers=given)

    answer: httpx.Response = _asked(ask)
    return answer


def test_a_message_is_accepted() -> None:
    answer = _post({"to": "+447700900123", "text": "Hello"}, X_Request_Id="r 1")
    assert (answer.status_code, answer.headers["location"]) == (202, f"/v1/messages/{ID}")
    assert answer.headers["x-request-id"] == "r 1"
    assert answer.json() == {
        "message_id": ID, "status": "accepted", "to": "+447700900123", "from": "SHOP", "lane": "txn",
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
    async def ask(client: httpx.AsyncClient, kafka: _Kafka) -> httpx.Response:
        kafka.away = True
        return await client.post(
            "/v1/messages", json={"to": "+447700900123", "text": "x"}, headers={"Authorization": f"Bearer {KEY}"}
        )

    answer = _asked(ask)
    assert (answer.status_code, answer.json()["reason"]) == (503, "kafka_unavailable")


def test_guessing_is_slowed_and_a_right_key_is_served() -> None:
    async def ask(client: httpx.AsyncClient, _: _Kafka) -> tuple[list[int], str, int]:
        wrong = [
            await client.post("/v1/messages", headers={"Authorization": "Bearer x"}) for _ in range(ATTEMPTS_MAX + 1)
        ]
        body = {"to": "+447700900123", "text": "x"}
        right = await client.post("/v1/messages", json=body, headers={"Authorization": f"Bearer {KEY}"})
        return [one.status_code for one in wrong], wrong[-1].headers["retry-after"], right.status_code

    codes, retry_after, right = _asked(ask)
    assert codes == [401] * ATTEMPTS_MAX + [429]
    assert (retry_after, right) == ("60", 202)


def test_the_description_names_the_problems_and_the_body() -> None:
    async def ask(client: httpx.AsyncClient, _: _Kafka) -> Any:
        return (await client.get("/openapi.json")).json(), (await client.get("/v1/nothing")).json()

    document, missing = _asked(ask)
    post = document["paths"]["/v1/messages"]["post"]
    assert document["openapi"].startswith("3.1") and set(post["responses"]) >= {"202", "400", "401", "503"}
    assert missing["reason"] == "not_found"
