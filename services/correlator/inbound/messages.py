"""Pure: messages of handsets: a record of `smsc.inbound` to one of `mo.messages`.

Identity. `mo_id` is a function of the record's place. An SMSC that was not answered in time delivers a message again,
and that is another record: it keeps the first one's id only where the SMSC itself names the message (TLV
receipted_message_id or user_message_reference) and everything else about the two is equal. Same sender, destination and
octets alone prove nothing: people do send the same word twice, and a reader that collapses on `mo_id` would lose one.
What was seen is remembered for ten minutes in memory, so a redelivery across a restart is a message of its own.
"""

from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

import orjson

from schemas.smsc_inbound import RawInbound
from schemas.topics import MO_MESSAGES, SMSC_INBOUND
from shared.kafka.records import Headers, In, Out, trace_headers
from shared.messages.events import EventMaker
from shared.messages.ids import derived_id
from shared.sms import tlv_tags
from shared.sms.inbound import InboundPart, keyword, read_inbound
from shared.sms.message import ConnectorProfile

Profiles = Mapping[str, ConnectorProfile]
"""How each connector writes its octets, by id."""

REMEMBER_MS: Final = 600_000
REMEMBERED_MAX: Final = 10_000
USER_MESSAGE_REFERENCE: Final = 0x0204
_NAMING_TAGS: Final = frozenset({tlv_tags.RECEIPTED_MESSAGE_ID, USER_MESSAGE_REFERENCE})
_DEFAULT_PROFILE: Final = ConnectorProfile()


class InboundReader:
    """Turns received messages into `mo.messages` and their events; remembers what could be delivered again."""

    def __init__(self, events: EventMaker) -> None:
        self._events: Final = events
        self._seen: dict[bytes, tuple[str, int]] = {}

    def read(self, record: In, profiles: Profiles) -> tuple[Out, Out]:
        """The public record and the event; raises ValueError when the record does not fit its schema."""
        raw = RawInbound.from_json(record.value or b"")
        octets = a2b_base64(raw.short_message, strict_mode=True)
        tlvs = [(tag, a2b_base64(value, strict_mode=True)) for tag, value in raw.tlvs]
        message = read_inbound(
            octets, raw.data_coding, raw.esm_class, tlvs, profiles.get(raw.connector_id, _DEFAULT_PROFILE)
        )
        mo_id = self._identity(raw, record)
        headers = trace_headers(record)
        public = Out(MO_MESSAGES, raw.destination_addr.encode(), _public(raw, message, mo_id), headers)
        return public, self._event(raw, message, mo_id, headers)

    def _identity(self, raw: RawInbound, record: In) -> str:
        mo_id = derived_id(raw.received_at_ms, "mo", SMSC_INBOUND, record.partition, record.offset)
        if not any(tag in _NAMING_TAGS for tag, _ in raw.tlvs):
            return mo_id
        digest = _digest(raw)
        known = self._seen.pop(digest, None)
        if known is not None and abs(raw.received_at_ms - known[1]) <= REMEMBER_MS:
            mo_id = known[0]
        self._seen[digest] = (mo_id, raw.received_at_ms)
        if len(self._seen) > REMEMBERED_MAX:
            del self._seen[next(iter(self._seen))]
        return mo_id

    def _event(self, raw: RawInbound, message: InboundPart, mo_id: str, headers: Headers) -> Out:
        part = message.concatenation
        notes = [f"mo_id {mo_id}", *([f"part {part.index} of {part.total}"] if part else []), *message.oddities]
        return self._events.out(
            "inbound",
            occurred_at_ms=raw.received_at_ms,
            identity=(mo_id,),
            headers=headers,
            connector_id=raw.connector_id,
            sender=raw.source_addr,
            to=raw.destination_addr,
            segments=part.total if part else 1,
            detail="; ".join(notes),
        )


def _digest(raw: RawInbound) -> bytes:
    """A hash of everything except when and through which bind it came."""
    alike = (
        raw.provider,
        raw.source_addr,
        raw.destination_addr,
        raw.esm_class,
        raw.data_coding,
        raw.short_message,
        raw.tlvs,
    )
    return blake2b(orjson.dumps(alike), digest_size=16).digest()


def _public(raw: RawInbound, message: InboundPart, mo_id: str) -> bytes:
    """`schemas.mo_messages.InboundMessage`: text or data; a part of a longer message says so."""
    parts = message.concatenation.total if message.concatenation else 1
    record: dict[str, Any] = {
        "schema_version": 1,
        "mo_id": mo_id,
        "connector_id": raw.connector_id,
        "from": raw.source_addr,
        "to": raw.destination_addr,
        "data_coding": raw.data_coding,
        "parts": parts,
        "complete": parts == 1,
        "received_at_ms": raw.received_at_ms,
    }
    text = message.text
    if text is None:
        record["data"] = b2a_base64(message.user_data, newline=False).decode()
        return orjson.dumps(record)
    record["text"] = text
    first = message.concatenation is None or message.concatenation.index == 1
    if first and (word := keyword(text)):
        record["keyword"] = word
    return orjson.dumps(record)
