"""Pure: a small installation and records to try ingress with."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from schemas.gateway.accounts import Account
from schemas.gateway.connectors.smpp import SmppConnector
from schemas.gateway.file import AppliedConfig, Draining, Gateway
from schemas.gateway.routes import Route
from schemas.gateway.values import SecretRef
from schemas.topics import MT_REQUESTS
from services.ingress.decision import RequestDecider
from services.ingress.opt_outs import OptOuts
from services.ingress.own_output import DecidedByIngress
from shared.kafka.records import Out
from shared.messages.country import CountryTable
from shared.messages.events import EventMaker
from shared.messages.routing import GatewayView

AT_MS = 1_790_000_000_000
COUNTRIES = CountryTable({"44": "GB", "49": "DE", "1": "US"})
EVENTS = EventMaker("ingress", "0")


class Record(NamedTuple):
    """A consumed record."""

    value: bytes | None
    partition: int = 0
    offset: int = 7
    timestamp: int = AT_MS
    headers: Sequence[tuple[str, bytes | None]] = ()
    key: bytes | None = None
    topic: str = MT_REQUESTS


def request(**fields: Any) -> bytes:
    """The bytes of a request; `from_` is `from`, and a field that is `...` is left out."""
    body: dict[str, Any] = {"account_id": "shop", "to": "+447700900123", "text": "Hello"} | fields
    if "from_" in body:
        body["from"] = body.pop("from_")
    return orjson.dumps({name: value for name, value in body.items() if value is not ...})


def connector(connector_id: str) -> SmppConnector:
    return SmppConnector(id=connector_id, host="127.0.0.1", port=2775, system_id="x", password=SecretRef(env="X"))


def applied(
    *routes: dict[str, Any],
    connectors: Sequence[str] = ("acme", "beta", "gamma"),
    draining: Sequence[str] = (),
    accounts: Sequence[Account] = (Account(id="shop", default_sender="SHOP"), Account(id="bank", max_segments=3)),
) -> AppliedConfig:
    gateway = Gateway(
        version=1,
        connectors=tuple(connector(i) for i in connectors),
        accounts=tuple(accounts),
        routes=tuple(Route.model_validate(r) for r in routes or ({"to": [{"connector": "acme"}]},)),
    )
    gone = tuple(Draining(connector=connector(i), removed_at_ms=AT_MS) for i in draining)
    return AppliedConfig(hash="h", applied_at_ms=AT_MS, gateway=gateway, draining=gone)


def decider(
    config: AppliedConfig | None = None,
    *,
    topic: str = MT_REQUESTS,
    partitions: int = 1,
    opt_outs: OptOuts | None = None,
    own: DecidedByIngress | None = None,
) -> RequestDecider:
    view = GatewayView(config or applied())
    return RequestDecider(
        EVENTS, topic, partitions, COUNTRIES, opt_outs or OptOuts(), DecidedByIngress() if own is None else own, view
    )


def topics(outs: Sequence[Out]) -> list[str]:
    return [out.topic for out in outs]


def only(outs: Sequence[Out], topic: str) -> dict[str, Any]:
    """The value of the one record for `topic`."""
    (found,) = [out.value for out in outs if out.topic == topic]
    record: dict[str, Any] = orjson.loads(found or b"")
    return record


def event(outs: Sequence[Out], word: str) -> dict[str, Any]:
    """The one event with this word."""
    values = [orjson.loads(out.value or b"") for out in outs if out.topic == "lifecycle.events"]
    (found,) = [value for value in values if value["event"] == word]
    record: dict[str, Any] = found
    return record
