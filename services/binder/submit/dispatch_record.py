"""Pure: a record of `mt.dispatch.<connector>` -> a segment to submit, and its submit_sm."""

from binascii import a2b_base64
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson
from pydantic import ValidationError

from schemas.dispatch import SPACING_MAX_US, Dispatch
from shared.kafka.records import In
from shared.smpp.pdu import SubmitSm
from shared.smpp.smpp_time import relative
from shared.smpp.tlv import Tlv

_NEEDED: Final = itemgetter(
    "id",
    "lane",
    "expires_at_ms",
    "spacing_us",
    "octets",
    "source_addr_ton",
    "source_addr_npi",
    "source_addr",
    "dest_addr_ton",
    "dest_addr_npi",
    "destination_addr",
    "esm_class",
    "registered_delivery",
    "data_coding",
)
_SPACING: Final = 3
_TYPES: Final = (str, str, int, int, str, int, int, str, int, int, str, int, int, int)
_relative: Final = lru_cache(maxsize=8192)(relative)


class Segment(NamedTuple):
    """One dispatched segment. `id` is message_id/route_no/index/attempt; `expires_at_ms` wall clock; `parts` are the
    fields of its submit_sm. A tuple, because one is made for every message.
    """

    offset: int
    id: str
    otp: bool
    expires_at_ms: int
    spacing_us: int
    octets: bytes
    tlvs: tuple[Tlv, ...]
    parts: tuple[Any, ...]
    send_validity: bool
    accepted_at_ms: int
    record: In

    def submit_sm(self, at_ms: int, vendor_tlvs: tuple[Tlv, ...] = (), service_type: str = "") -> SubmitSm:
        """The submit_sm to write at `at_ms`: the octets as the encoder made them, and what is left of the validity."""
        validity = ""
        if self.send_validity:
            validity = _relative(max(1, -((at_ms - self.expires_at_ms) // 1000)))
        source_ton, source_npi, source, dest_ton, dest_npi, dest, esm_class, registered_delivery, data_coding = (
            self.parts
        )
        return SubmitSm(  # in the order of section 4.4.1; by position, because one is made for every message
            service_type,
            source_ton,
            source_npi,
            source,
            dest_ton,
            dest_npi,
            dest,
            esm_class,
            0,
            0,
            "",
            validity,
            registered_delivery,
            0,
            data_coding,
            0,
            self.octets,
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
        needed = _NEEDED(fields)
        if tuple(map(type, needed)) == _TYPES and 1 <= needed[_SPACING] <= SPACING_MAX_US:
            return _segment(fields, needed, record)
    except (ValueError, TypeError, KeyError):
        pass
    try:
        fields = Dispatch.from_json(value).model_dump()
        return _segment(fields, _NEEDED(fields), record)
    except (ValidationError, ValueError) as error:
        return Unreadable(record.offset, _id_at_least(value), record, error)


def _segment(fields: dict[str, Any], needed: tuple[Any, ...], record: In) -> Segment:
    named, lane, expires_at_ms, spacing_us, octets = needed[:5]
    tlvs = fields.get("tlvs")
    accepted_at_ms = fields.get("accepted_at_ms")
    return Segment(
        record.offset,
        named,
        lane == "otp",
        expires_at_ms,
        spacing_us,
        a2b_base64(octets, strict_mode=True),
        tuple(Tlv(int(tag), a2b_base64(value, strict_mode=True)) for tag, value in tlvs) if tlvs else (),
        needed[5:],
        fields.get("send_validity", True) is not False,
        accepted_at_ms if type(accepted_at_ms) is int else 0,
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
