"""Pure: the entries under one key of the inbound state, as bytes in memory and in the changelog."""

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from hashlib import blake2b
from struct import Struct
from typing import Any, Final, TypeAlias, cast

import orjson

from schemas.inbound_parts import HeldMessage, HeldPart, InboundEntry, RedeliveryMark, RepliesMark, WholeMark
from schemas.smsc_inbound import RawInbound
from services.correlator.state.table import ColdForm
from shared.sms.data_coding import InboundAlphabet
from shared.sms.inbound import InboundPart
from shared.sms.udh import Concatenation

KeptEntries: TypeAlias = list[InboundEntry]

DIGEST_DIGITS: Final = 12
"""Of one part in a `WholeMark`. Two parts that differ are taken for one once in 2^48."""


def pack(entries: KeptEntries) -> bytes:
    """The JSON array of `schemas.inbound_parts.InboundEntries.entries`."""
    return orjson.dumps([_packed(entry) for entry in entries])


def _packed(entry: InboundEntry) -> tuple[Any, ...]:
    return (*entry[:-1], [tuple(part) for part in entry.parts]) if isinstance(entry, HeldMessage) else tuple(entry)


def unpack(packed: bytes) -> KeptEntries:
    """What `pack` packed."""
    return [_MAKERS[fields[0]](fields) for fields in orjson.loads(packed)]


def _held(fields: list[Any]) -> HeldMessage:
    fields[-1] = [HeldPart._make(part) for part in fields[-1]]
    return HeldMessage._make(fields)


_MAKERS: Final[dict[str, Callable[[list[Any]], InboundEntry]]] = {
    "held": _held,
    "whole": WholeMark._make,
    "redelivery": RedeliveryMark._make,
    "replies": RepliesMark._make,
}


def parts_key(raw: RawInbound, concatenation: Concatenation) -> bytes:
    """Under which the parts of one message lie. The width of the reference is not in it: an SMSC may hand on an 8-bit
    one as SAR over one bind and not over another."""
    return orjson.dumps((raw.provider, raw.source_addr, raw.destination_addr, concatenation.ref, concatenation.total))


def redelivery_key(raw: RawInbound) -> bytes:
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
    return orjson.dumps(("redelivery", blake2b(orjson.dumps(alike), digest_size=16).hexdigest()))


def replies_key(number: str) -> bytes:
    """Under which the replies to a handset are counted."""
    return orjson.dumps(("replies", number))


def held_part(part: InboundPart, number: int) -> HeldPart:
    """`part` as it is kept."""
    octets = b2a_base64(part.user_data, newline=False).decode("ascii")
    oddities = "; ".join(part.oddities)
    return HeldPart(number, part.data_coding, part.alphabet, part.locking_shift, part.single_shift, octets, oddities)


def read_back(held: HeldPart) -> InboundPart:
    """The part that was kept, without what tied it to the others."""
    return InboundPart(
        a2b_base64(held.octets),
        held.data_coding,
        cast(InboundAlphabet, held.alphabet),
        held.locking_shift,
        held.single_shift,
        oddities=(held.oddities,) if held.oddities else (),
    )


def digest(part: HeldPart) -> str:
    """Equal for octets that mean the same text."""
    what = f"{part.alphabet}|{part.locking_shift}|{part.single_shift}|{part.octets}"
    return blake2b(what.encode("ascii"), digest_size=DIGEST_DIGITS // 2).hexdigest()


def has_digest(mark: WholeMark, number: int, of_part: str) -> bool:
    """Whether part `number` of the message was this one."""
    at = (number - 1) * DIGEST_DIGITS
    return mark.digests[at : at + DIGEST_DIGITS] == of_part


_DUE: Final = Struct(">q")


def _shrink(entries: KeptEntries) -> bytes | None:
    if len(entries) != 1 or not isinstance(entry := entries[0], WholeMark):
        return None
    return _DUE.pack(entry.due_at_ms) + bytes.fromhex(entry.digests)


def _grow(octets: bytes) -> KeptEntries:
    return [WholeMark("whole", _DUE.unpack_from(octets)[0], octets[_DUE.size :].hex())]


WHOLE_MARKS: Final = ColdForm(b'[["whole",', _shrink, _grow)
