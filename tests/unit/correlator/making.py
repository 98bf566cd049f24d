"""Records as the throttler and the binder write them, for the tests of the correlator."""

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import orjson

from schemas.message_context import MessageContext
from schemas.outcomes import Outcome
from schemas.receipts import RawReceipt
from schemas.smsc_inbound import RawInbound
from schemas.submit_results import SubmitResult
from schemas.topics import LIFECYCLE_EVENTS, MT_OUTCOMES, MT_STATUSES, RECEIPTS, SUBMIT_RESULTS
from services.correlator.join.entries import Accepted, read_result
from shared.kafka.records import Headers, Out
from shared.messages.events import EventMaker

T0 = 1_700_000_000_000
HOUR_MS = 3_600_000
DEADLINE_MS = T0 + 48 * HOUR_MS

EVENTS = EventMaker("correlator", "0")


@dataclass(frozen=True, slots=True)
class Record:
    """What the correlator reads of a consumed record."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


def message_id(number: int) -> str:
    return f"018bcfe5-6800-7000-8000-{number:012x}"


def _of_segment(number: int, changes: dict[str, Any]) -> dict[str, Any]:
    """What results and outcomes have in common; fields of the context are taken out of `changes`."""
    told = {name: changes.pop(name) for name in MessageContext._fields if name in changes}
    context: dict[str, Any] = {
        "message_id": message_id(number),
        "accepted_at_ms": T0,
        "account_id": "shop",
        "to": "447700900123",
        "sender": "SHOP",
        "country": "GB",
        "lane": "txn",
        "receipt": "final",
        "idempotency_key": f"order-{number}",
        "metadata": {"campaign": "spring"},
    }
    return {
        "context": MessageContext(**(context | told)),
        "route_no": 0,
        "connector_id": "acme-1",
        "segments": 1,
        "index": 1,
        "attempt": 1,
    }


def submit_result(number: int = 1, **changes: Any) -> SubmitResult:
    fields = _of_segment(number, changes) | {
        "provider": "acme",
        "smsc_message_id": f"{number:08d}",
        "submitted_at_ms": T0 + 50,
        "answered_at_ms": T0 + 80,
        "deadline_at_ms": DEADLINE_MS,
    }
    return SubmitResult(**(fields | changes))


def submitted(number: int = 1, **changes: Any) -> Accepted:
    """What the join reads of `submit_result`."""
    return read_result(result_record(submit_result(number, **changes)))


def outcome(number: int = 1, index: int = 1, word: str = "delivered", **changes: Any) -> Outcome:
    fields = _of_segment(number, changes) | {
        "segments": 2,
        "index": index,
        "outcome": word,
        "occurred_at_ms": T0 + 1_000 + index,
    }
    return Outcome(**(fields | changes))


def receipt_text(smsc_id: str = "00000001", stat: str = "DELIVRD", err: str = "000") -> bytes:
    return (
        f"id:{smsc_id} sub:001 dlvrd:001 submit date:2311142213 done date:2311142214 stat:{stat} err:{err} text:Hi"
    ).encode()


def raw_receipt(smsc_id: str = "00000001", stat: str = "DELIVRD", **changes: Any) -> RawReceipt:
    fields: dict[str, Any] = {
        "connector_id": "acme-1",
        "provider": "acme",
        "source_addr": "447700900123",
        "destination_addr": "SHOP",
        "esm_class": 4,
        "data_coding": 0,
        "short_message": b64encode(receipt_text(smsc_id, stat, changes.pop("err", "000"))).decode(),
        "received_at_ms": T0 + 5_000,
        "smsc_message_id": smsc_id,
    }
    return RawReceipt(**(fields | changes))


def raw_inbound(octets: bytes = b"Stop it", **changes: Any) -> RawInbound:
    fields: dict[str, Any] = {
        "connector_id": "acme-1",
        "provider": "acme",
        "source_addr": "447700900123",
        "destination_addr": "60777",
        "esm_class": 0,
        "data_coding": 0,
        "short_message": b64encode(octets).decode(),
        "received_at_ms": T0,
    }
    return RawInbound(**(fields | changes))


def result_record(result: SubmitResult, key: str = "acme|1", offset: int = 0, partition: int = 0) -> Record:
    return Record(SUBMIT_RESULTS, partition, offset, T0 + 100, key.encode(), result.to_json())


def receipt_record(
    receipt: RawReceipt, key: str = "acme|1", offset: int = 0, at_ms: int = T0 + 5_010, partition: int = 0
) -> Record:
    return Record(RECEIPTS, partition, offset, at_ms, key.encode(), receipt.to_json())


def outcome_record(outcome: Outcome, offset: int = 0, at_ms: int = T0 + 6_000) -> Record:
    return Record(MT_OUTCOMES, 0, offset, at_ms, outcome.context.message_id.encode(), outcome.to_json())


def of_topic(outs: list[Out], topic: str) -> list[dict[str, Any]]:
    """The values of one topic, decoded; a tombstone is an empty object."""
    return [orjson.loads(out.value) if out.value is not None else {} for out in outs if out.topic == topic]


def statuses(outs: list[Out]) -> list[tuple[str, bool, str | None]]:
    """(word, final, reason) of every status record."""
    return [(s["status"], s["final"], s.get("reason")) for s in of_topic(outs, MT_STATUSES)]


def outcomes(outs: list[Out]) -> list[tuple[int, str, str | None]]:
    """(index, word, reason) of every outcome record."""
    return [(o["index"], o["outcome"], o.get("reason")) for o in of_topic(outs, MT_OUTCOMES)]


def events(outs: list[Out]) -> list[str]:
    """The words of every event but `status`, in order."""
    return [e["event"] for e in of_topic(outs, LIFECYCLE_EVENTS) if e["event"] != "status"]
