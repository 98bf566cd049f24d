"""Pure: a connector and submissions to try the encoder with."""

from typing import Any

from schemas.gateway.connectors.smpp import SmppConnector, SmppOptions
from schemas.gateway.values import SecretRef
from schemas.submissions import Submission
from services.encoder.encode import Encoder
from services.encoder.plan import plan_of
from shared.kafka.records import Out
from shared.messages.events import EventMaker
from tests.unit import submissions

AT_MS = submissions.AT_MS
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
    return submissions.submission(**({"accepted_at_ms": AT_MS - 50} | changes))


def encoded(given: Submission, **options: Any) -> list[Out]:
    return Encoder(EVENTS).encode(given, plan_of(connector(**options)), AT_MS, (("h", b"1"),))
