"""Edge: CPU per message of the pure parts of ingress and encoder, without Kafka.

`python -m tests.bench.bench_ingress_encoder` prints microseconds per message for the mixture that matters: one
segment, receipt final, some with idempotency keys.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import orjson
import psutil

from schemas.gateway.accounts import Account
from schemas.gateway.connectors.smpp import SmppConnector
from schemas.gateway.file import AppliedConfig, Gateway
from schemas.gateway.routes import Match, Route, Target
from schemas.gateway.values import SecretRef
from schemas.submissions import Submission
from schemas.topics import MT_REQUESTS, MT_SUBMISSIONS
from services.encoder.encode import Encoder
from services.encoder.plan import plan_of
from services.ingress.decision import RequestDecider
from services.ingress.opt_outs import OptOuts
from services.ingress.own_output import DecidedByIngress
from shared.kafka.records import Out
from shared.messages.admission import admit
from shared.messages.country import country_table
from shared.messages.events import EventMaker
from shared.messages.idempotency import KeyStore, key_hash
from shared.messages.routing import GatewayView
from shared.sms.concat_ref import RecentRefs

AT_MS = 1_790_000_000_000
MESSAGES = 5_000
ROUNDS = 5
KEYS = 1_000_000


class Record(NamedTuple):
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


def applied() -> AppliedConfig:
    connector = SmppConnector(id="acme-1", host="127.0.0.1", port=2775, system_id="shop", password=SecretRef(env="X"))
    routes = (
        *(Route(match=Match(prefix=(f"3{n}",)), to=(Target(connector="acme-1"),)) for n in range(10)),
        Route(to=(Target(connector="acme-1"),)),
    )
    gateway = Gateway(
        version=1, connectors=(connector,), accounts=(Account(id="shop", default_sender="SHOP"),), routes=routes
    )
    return AppliedConfig(hash="0", applied_at_ms=0, gateway=gateway)


def request(number: int, *, keyed: bool) -> bytes:
    body = {
        "account_id": "shop",
        "to": f"+4477009{number % 100_000:05d}",
        "text": f"Your parcel {number} arrives today between 10 and 12. Track it at https://shop.example/p/{number}",
        "metadata": {"order": str(number)},
    }
    return orjson.dumps(body | ({"idempotency_key": f"order-{number}"} if keyed else {}))


def requests(*, keyed: bool) -> list[Record]:
    return [Record(MT_REQUESTS, 0, n, AT_MS + n, None, request(n, keyed=keyed)) for n in range(MESSAGES)]


def measured(name: str, prepare: Callable[[], Callable[[Record], object]], records: Sequence[Record]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        step = prepare()
        started = time.process_time()
        for record in records:
            step(record)
        best = min(best, time.process_time() - started)
    microseconds = best / len(records) * 1e6
    print(f"{name:<46}{microseconds:8.1f} us")
    return microseconds


def bench_ingress(events: EventMaker) -> list[Out]:
    countries, view = country_table(), GatewayView(applied())
    plain, keyed = requests(keyed=False), requests(keyed=True)

    def decider() -> RequestDecider:
        return RequestDecider(events, MT_REQUESTS, 1, countries, OptOuts(), DecidedByIngress(), view)

    def decide() -> Callable[[Record], object]:
        made = decider()
        return lambda record: made.decide(record, AT_MS)

    measured("ingress: admission alone", lambda: lambda r: admit(r.value, r.timestamp, "txn"), plain)
    measured("ingress: request to submission and event", decide, plain)
    measured("ingress: the same with idempotency keys", decide, keyed)
    made = decider()
    outs = [out for record in plain for out in made.decide(record, AT_MS)]
    return [out for out in outs if out.topic == MT_SUBMISSIONS]


def bench_encoder(events: EventMaker, submissions: list[Out]) -> None:
    plan = plan_of(applied().gateway.connectors[0])
    records = [Record(MT_SUBMISSIONS, 0, n, AT_MS, out.key, out.value) for n, out in enumerate(submissions)]

    def encode() -> Callable[[Record], object]:
        encoder = Encoder(events, RecentRefs())

        def step(record: Record) -> object:
            return encoder.encode(Submission.from_json(record.value or b""), plan, AT_MS)

        return step

    measured("encoder: submission to lane record and event", encode, records)


def resident_octets() -> int:
    return int(psutil.Process().memory_info().rss)


def bench_keys() -> None:
    before, started = resident_octets(), time.process_time()
    store = KeyStore()
    for number in range(KEYS):
        hashed = key_hash("shop", f"order-{number}")
        store.take(
            hashed, f"{AT_MS:012x}"[:8] + f"-{AT_MS & 0xFFFF:04x}-7000-8000-{number:012x}", hashed, AT_MS, number
        )
    spent = time.process_time() - started
    print(f"{'ingress: one more idempotency key':<46}{spent / KEYS * 1e6:8.1f} us")
    print(f"{'ingress: memory of 1,000,000 keys':<46}{(resident_octets() - before) / 1e6:8.1f} MB")


def main() -> None:
    events = EventMaker("bench", "0")
    bench_keys()
    bench_encoder(events, bench_ingress(events))


if __name__ == "__main__":
    main()
