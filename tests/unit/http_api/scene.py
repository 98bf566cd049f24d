"""The HTTP door without a socket and without Kafka: what a client sees of it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from hashlib import sha256
from typing import Any

import httpx
import orjson
from starlette.types import ASGIApp

from schemas.gateway.accounts import Account, ApiKey
from services.http_api.access import DoorView, Gatekeeper
from services.http_api.authentication import KeyRing
from services.http_api.calls import Endpoints, calls_of, other_calls
from services.http_api.command_calls import CommandCalls
from services.http_api.event_calls import EventCalls
from services.http_api.event_ids import StreamPlace
from services.http_api.intake import Rules
from services.http_api.known_keys import KnownKeys
from services.http_api.live_feed import FeedEvent, Feeds
from services.http_api.opt_out_calls import OptOutCalls
from services.http_api.opt_outs import OptOutList
from services.http_api.other_doors import OtherDoors
from services.http_api.publisher import KafkaHasIt, NotAcknowledged
from services.http_api.reads import Reads, ReadsRows
from services.http_api.routes import make_app
from services.http_api.sending import Sending
from services.http_api.settings import ApiSettings
from services.http_api.twilio_door import TwilioDoor
from shared.kafka.records import Out
from shared.messages.country import CountryTable
from shared.messages.routing import GatewayView

KEY = "smsgw_shop_abc"
OTHER_KEY = "smsgw_other_abc"
MESSAGE_ID = "01a22f73-54ef-7b89-8d42-2366122d5391"
AT_MS = 1_780_000_000_123


def account(name: str, key: str, **settings: Any) -> Account:
    """An account with one key."""
    api_keys = (ApiKey(id="web", sha256=sha256(key.encode()).hexdigest()),)
    return Account(id=name, default_sender=name.upper()[:11], api_keys=api_keys, **settings)


SHOP = account("shop", KEY)
OTHER = account("other", OTHER_KEY)


class CannedRows:
    """ClickHouse, as far as it says what it is told to say: answers in the order of the queries."""

    def __init__(self, *answers: list[dict[str, Any]]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def rows(self, query: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """The next answer; nothing when there is none."""
        self.asked.append((query, parameters))
        return self.answers.pop(0) if self.answers else []


class CannedFeed:
    """A feed that tells of these and ends; or raises."""

    def __init__(self, *events: FeedEvent) -> None:
        self.told = events
        self.asked: list[tuple[str, StreamPlace | None]] = []
        self.error: Exception | None = None

    async def events(self, account_id: str, since: StreamPlace | None) -> AsyncGenerator[FeedEvent | None, None]:
        """All of them, whoever asks."""
        self.asked.append((account_id, since))
        if self.error is not None:
            raise self.error
        yield None
        for event in self.told:
            yield event


class Scene:
    """A door and what is behind it."""

    def __init__(self, *accounts: Account, **settings: Any) -> None:
        self.away = False
        self.outs: list[Out] = []
        self.known = KnownKeys()
        self.opt_outs = OptOutList()
        self.settings = ApiSettings(**settings)
        self.clickhouse: ReadsRows = CannedRows()
        self.feed: Feeds = CannedFeed()
        ring = KeyRing(accounts or (SHOP, OTHER), lambda key: bytes.fromhex(key.sha256 or ""), self._token_of)
        self.view = DoorView(ring, Rules(GatewayView(None), CountryTable({})))

    @staticmethod
    def _token_of(account: Account) -> str | None:
        return None if account.twilio is None else f"token-{account.id}"

    def app(self) -> ASGIApp:
        """The whole of it."""
        sending = Sending(self, self.known, self.opt_outs)
        commands = CommandCalls(self, self.clickhouse)
        opt_outs = OptOutCalls(self, self.opt_outs)
        ends = Endpoints(sending, Reads(self.clickhouse), opt_outs, EventCalls(self.feed), commands)
        gate = Gatekeeper(self.settings)
        twilio = TwilioDoor(gate, lambda: self.view, sending, self.clickhouse, self.opt_outs, commands)
        others = other_calls(OtherDoors(gate, lambda: self.view, sending), twilio)
        return make_app(gate, lambda: self.view, calls_of(ends), others, self.settings.origins)

    async def publish(self, out: Out) -> KafkaHasIt:
        """As Kafka would, or as if it were away."""
        if self.away:
            raise NotAcknowledged
        self.outs.append(out)
        return KafkaHasIt(MESSAGE_ID, AT_MS)

    def asked(self, ask: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
        """What a client is answered that has no key by itself."""

        async def asking() -> Any:
            transport = httpx.ASGITransport(self.app())
            async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
                return await ask(client)

        return asyncio.run(asking())

    def call(self, method: str, path: str, body: Any = None, key: str | None = KEY, **headers: str) -> httpx.Response:
        """One request; a body that is no octets goes as JSON. Underscores in names of headers are dashes."""
        given = {} if key is None else {"Authorization": f"Bearer {key}"}
        given |= {} if body is None else {"Content-Type": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if body is None or isinstance(body, bytes) else orjson.dumps(body)

        async def ask(client: httpx.AsyncClient) -> httpx.Response:
            return await client.request(method, path, content=content, headers=given)

        answer: httpx.Response = self.asked(ask)
        return answer
