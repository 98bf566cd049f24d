"""Edge: the single POST of the HTTP door in two frameworks, with the same work in it, for `bench_http_api`.

`SMSGW_BENCH_FRAMEWORK` says which one `app` is. Kafka is a timer: requests are answered together, 4 ms after the first.
"""

import asyncio
import os
from collections.abc import AsyncGenerator
from hashlib import sha256
from typing import Any

import orjson

from schemas.gateway.accounts import Account, ApiKey
from services.http_api.access import DoorView, Gatekeeper, rfc3339
from services.http_api.authentication import KeyRing
from services.http_api.calls import Endpoints, calls_of
from services.http_api.command_calls import CommandCalls
from services.http_api.event_calls import EventCalls
from services.http_api.event_ids import StreamPlace
from services.http_api.intake import Rules, prepare
from services.http_api.known_keys import KnownKeys
from services.http_api.live_feed import FeedEvent
from services.http_api.opt_out_calls import OptOutCalls
from services.http_api.opt_outs import OptOutList
from services.http_api.problems import Problem
from services.http_api.publisher import LINGER_S, KafkaHasIt
from services.http_api.reads import Reads
from services.http_api.routes import make_app
from services.http_api.sending import Sending
from services.http_api.settings import ApiSettings
from shared.kafka.records import Out
from shared.messages.country import country_table
from shared.messages.ids import message_id_of
from shared.messages.routing import GatewayView
from shared.process.clock import now_ms

KEY = "smsgw_shop_bench"
SHOP = Account(id="shop", default_sender="SHOP", api_keys=(ApiKey(id="web", sha256=sha256(KEY.encode()).hexdigest()),))


class TimerKafka:
    """Acknowledges all that came within `LINGER_S` at once."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[KafkaHasIt]] = []
        self._offset = 0

    async def publish(self, out: Out) -> KafkaHasIt:
        """Never fails."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_later(LINGER_S, self._acknowledge)
        answer: asyncio.Future[KafkaHasIt] = loop.create_future()
        self._waiting.append(answer)
        return await answer

    def _acknowledge(self) -> None:
        waiting, self._waiting = self._waiting, []
        at_ms = now_ms()
        for answer in waiting:
            self._offset += 1
            if not answer.done():
                answer.set_result(KafkaHasIt(message_id_of(at_ms, "mt.requests", 0, self._offset), at_ms))

    async def rows(self, query: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """No ClickHouse."""
        return []

    async def events(self, account_id: str, since: StreamPlace | None) -> AsyncGenerator[FeedEvent | None, None]:
        """Nothing happens."""
        yield None


KAFKA = TimerKafka()
VIEW = DoorView(
    KeyRing((SHOP,), lambda key: bytes.fromhex(key.sha256 or "")), Rules(GatewayView(None), country_table())
)


def _door() -> Any:
    opt_outs = OptOutList()
    sending = Sending(KAFKA, KnownKeys(), opt_outs)
    commands = CommandCalls(KAFKA, KAFKA)
    ends = Endpoints(sending, Reads(KAFKA), OptOutCalls(KAFKA, opt_outs), EventCalls(KAFKA), commands)
    return make_app(Gatekeeper(ApiSettings()), lambda: VIEW, calls_of(ends))


def _litestar() -> Any:
    """The same steps for the single POST, and nothing else of the door."""
    from litestar import Litestar, Request, Response, post

    async def send(request: Request[Any, Any, Any]) -> Response[bytes]:
        account = VIEW.keys.account_of(request.headers.get("authorization"))
        assert account is not None
        prepared = prepare(await request.body(), account, VIEW.rules, now_ms(), None)
        assert not isinstance(prepared, Problem)
        published = await KAFKA.publish(prepared.out)
        answer = {
            "message_id": published.message_id, "status": "accepted", "to": prepared.to, "from": prepared.sender,
            "lane": prepared.lane, "encoding": prepared.encoding, "segments": prepared.segments,
            "accepted_at": rfc3339(published.accepted_at_ms),
        }  # fmt: skip
        location = {"location": f"/v1/messages/{published.message_id}"}
        return Response(orjson.dumps(answer), status_code=202, headers=location, media_type="application/json")

    return Litestar([post("/v1/messages")(send)], openapi_config=None)


app = _litestar() if os.environ.get("SMSGW_BENCH_FRAMEWORK") == "litestar" else _door()
