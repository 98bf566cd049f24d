"""Pure: a record of `mt.dispatch.<connector>` -> a segment to submit, and its submit_sm."""

import math
from binascii import a2b_base64
from dataclasses import dataclass
from typing import Any, Final

import orjson
from pydantic import ValidationError

from schemas.dispatch import Dispatch
from shared.records import In
from shared.smpp.pdu import SubmitSm
from shared.smpp.smpp_time import relative
from shared.smpp.tlv import Tlv

_INTEGERS: Final = (
    "expires_at_ms",
    "spacing_us",
    "source_addr_ton",
    "source_addr_npi",
    "dest_addr_ton",
    "dest_addr_npi",
    "esm_class",
    "data_coding",
    "registered_delivery",
)
_STRINGS: Final = ("id", "lane", "source_addr", "destination_addr", "octets")


@dataclass(frozen=True, slots=True)
class Segment:
    """One dispatched segment. `id` is message_id/route_no/index/attempt; `expires_at_ms` wall clock."""

    offset: int
    id: str
    otp: bool
    expires_at_ms: int
    spacing_us: int
    octets: bytes
    tlvs: tuple[Tlv, ...]
    fields: dict[str, Any]
    record: In

    @property
    def accepted_at_ms(self) -> int:
        """When the message was accepted; 0 where the record does not say."""
        at_ms = self.fields.get("accepted_at_ms")
        return at_ms if type(at_ms) is int else 0

    def submit_sm(self, at_ms: int, vendor_tlvs: tuple[Tlv, ...] = ()) -> SubmitSm:
        """The submit_sm to write at `at_ms`: the octets as the encoder made them, and what is left of the validity."""
        fields = self.fields
        validity = ""
        if fields.get("send_validity", True):
            validity = relative(max(1, math.ceil((self.expires_at_ms - at_ms) / 1000)))
        return SubmitSm(
            source_addr_ton=fields["source_addr_ton"],
            source_addr_npi=fields["source_addr_npi"],
            source_addr=fields["source_addr"],
            dest_addr_ton=fields["dest_addr_ton"],
            dest_addr_npi=fields["dest_addr_npi"],
            destination_addr=fields["destination_addr"],
            esm_class=fields["esm_class"],
            validity_period=validity,
            registered_delivery=fields["registered_delivery"],
            data_coding=fields["data_coding"],
            short_message=self.octets,
            tlvs=self.tlvs + vendor_tlvs,
        )


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that is none. `id` is "" when not even that could be read."""

    offset: int
    id: str
    record: In
    error: Exception


def read_dispatch(record: In) -> Segment | Unreadable:
    """Never raises. The usual record is read by hand, four times faster; what is not usual is judged by the model."""
    value = record.value or b""
    try:
        fields = orjson.loads(value)
        if all(type(fields[name]) is int for name in _INTEGERS) and all(type(fields[name]) is str for name in _STRINGS):
            return _segment(fields, record)
    except (ValueError, TypeError, KeyError):
        pass
    try:
        return _segment(Dispatch.from_json(value).model_dump(), record)
    except (ValidationError, ValueError) as error:
        return Unreadable(record.offset, _id_at_least(value), record, error)


def _segment(fields: dict[str, Any], record: In) -> Segment:
    tlvs = fields.get("tlvs")
    return Segment(
        record.offset,
        fields["id"],
        fields["lane"] == "otp",
        fields["expires_at_ms"],
        fields["spacing_us"],
        a2b_base64(fields["octets"], strict_mode=True),
        tuple(Tlv(int(tag), a2b_base64(octets, strict_mode=True)) for tag, octets in tlvs) if tlvs else (),
        fields,
        record,
    )


def _id_at_least(value: bytes) -> str:
    try:
        found = orjson.loads(value)
    except ValueError:
        return ""
    named = found.get("id") if isinstance(found, dict) else None
    return named if isinstance(named, str) else ""


@dataclass(frozen=True, slots=True)
class SegmentId:
    """The parts of an id."""

    message_id: str
    route_no: int
    index: int
    attempt: int


def read_id(text: str) -> SegmentId | None:
    """The parts of `message_id/route_no/index/attempt`; None when `text` is none."""
    parts = text.split("/")
    if len(parts) != 4 or not all(part.isdecimal() for part in parts[1:]):
        return None
    return SegmentId(parts[0], int(parts[1]), int(parts[2]), int(parts[3]))
