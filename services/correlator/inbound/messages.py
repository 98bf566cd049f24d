"""Pure: a message of a handset, whole or what came of it, as a record of `mo.messages` and its event."""

from binascii import b2a_base64
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson

from schemas.topics import MO_MESSAGES
from shared.kafka.records import Headers, Out
from shared.messages.events import EventMaker
from shared.sms.inbound import InboundPart, keyword, text_of


class ReadMessage(NamedTuple):
    """What is told: `parts` in order, `missing` the numbers of those that did not come.

    `mo_id`, `connector_id` and `received_at_ms` are those of the part that came first.
    """

    mo_id: str
    connector_id: str
    sender: str
    to: str
    received_at_ms: int
    parts: Sequence[InboundPart]
    missing: tuple[int, ...] = ()
    headers: Headers = ()

    @property
    def total(self) -> int:
        return len(self.parts) + len(self.missing)


class InboundTeller:
    """Makes the records of messages."""

    def __init__(self, events: EventMaker) -> None:
        self._events: Final = events

    def outs(self, message: ReadMessage, told_at_ms: int, *notes: str) -> list[Out]:
        """The public record and the event; `notes` are for the event, sentences without the text of the message."""
        text = text_of(message.parts)
        word = keyword(text) if text is not None and 1 not in message.missing else None
        public = Out(MO_MESSAGES, message.to.encode(), _public(message, text, word), message.headers)
        return [public, self._event(message, told_at_ms, notes)]

    def _event(self, message: ReadMessage, told_at_ms: int, notes: tuple[str, ...]) -> Out:
        """One for each record: a message that is told again has more parts then."""
        detail = [f"mo_id {message.mo_id}"]
        if message.missing:
            detail.append(f"{len(message.parts)} of {message.total} parts, missing {_listed(message.missing)}")
        detail += notes
        detail += dict.fromkeys(oddity for part in message.parts for oddity in part.oddities)
        again = (len(message.parts),) if message.total > 1 else ()
        return self._events.out(
            "inbound",
            occurred_at_ms=told_at_ms,
            identity=(message.mo_id, *again),
            headers=message.headers,
            connector_id=message.connector_id,
            sender=message.sender,
            to=message.to,
            segments=message.total,
            detail="; ".join(detail),
        )


def _public(message: ReadMessage, text: str | None, word: str | None) -> bytes:
    """`schemas.mo_messages.InboundMessage`."""
    record: dict[str, Any] = {
        "schema_version": 1,
        "mo_id": message.mo_id,
        "connector_id": message.connector_id,
        "from": message.sender,
        "to": message.to,
        "data_coding": message.parts[0].data_coding,
        "parts": len(message.parts),
        "parts_total": message.total,
        "complete": not message.missing,
        "received_at_ms": message.received_at_ms,
    }
    if message.missing:
        record["missing"] = message.missing
    if text is None:
        record["data"] = b2a_base64(b"".join(part.user_data for part in message.parts), newline=False).decode()
    else:
        record["text"] = text
    if word:
        record["keyword"] = word
    return orjson.dumps(record)


def _listed(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:20]))
    return shown if len(numbers) <= 20 else f"{shown} and {len(numbers) - 20} more"
