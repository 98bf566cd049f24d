"""Pure: a connector and submissions to try the encoder with."""

from typing import Any

from schemas.gateway.connectors.smpp import SmppConnector, SmppOptions
from schemas.gateway.values import SecretRef
from schemas.submissions import Submission
from services.encoder.encode import Encoder
from services.encoder.plan import plan_of
from shared.kafka.records import Out
from shared.messages.events import EventMaker

AT_MS = 1_790_000_000_000
EVENTS = EventMaker("encoder", "0")


def connector(**options: Any) -> SmppConnector:
    return SmppConnector(
        id="acme",
        host="127.0.0.1",
        port=2775,
        system_id="x",
        password=SecretRef(env="X"),
        options=SmppOptions(**options),
    )


def submission(**changes: Any) -> Submission:
    return Submission(
        message_id="019f0000-0000-7000-8000-000000000001",
        account_id="shop",
        to="447700900123",
        sender="SHOP",
        text=None if "data" in changes else "Hello",
        lane="txn",
        accepted_at_ms=AT_MS - 50,
        expires_at_ms=AT_MS + 60_000,
        connector_id="acme",
    ).model_copy(update=changes)


def encoded(given: Submission, **options: Any) -> list[Out]:
    return Encoder(EVENTS).encode(given, given.to_json(), plan_of(connector(**options)), AT_MS, (("h", b"1"),))
