"""Pure: the last PDUs of a connection, kept as octets, decoded and redacted only when somebody looks.

Recording costs an append. A password is never shown. Numbers and texts are shown as their length unless the reader
asks for them with `redact=False`; what a receipt says of a message (id, stat, err) is neither and always shown.
"""

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import chain
from typing import Final, TypeAlias

from shared.smpp import pdu
from shared.smpp.codec import UnparsablePdu, decode_frame
from shared.smpp.constants import (
    HEADER_LENGTH,
    RECEIPT_BITS,
    RESPONSE_BIT,
    EsmClass,
    MessageState,
    command_name,
    status_name,
)
from shared.smpp.tlv import TLV_SPECS, Tag, Tlv, TlvKind
from shared.smpp.user_data import user_data

OCTETS_MAX: Final = 16 * 1024 * 1024
AGE_S: Final = 300.0
FRAME_OVERHEAD: Final = 130
"""What Python spends on one kept PDU beside its octets; counted, so that `octets_max` is memory."""

BLOCK: Final = 256

Tap: TypeAlias = Callable[[float, str, bytes], None]

_SECRET_FIELDS: Final = frozenset({"password"})
_PRIVATE_FIELDS: Final = frozenset(
    {
        "source_addr",
        "destination_addr",
        "esme_addr",
        "short_message",
        "dest_address",
        "unsuccess_sme",
        "address_range",
    }
)
_PRIVATE_TAGS: Final = frozenset(
    {
        Tag.MESSAGE_PAYLOAD,
        Tag.CALLBACK_NUM,
        Tag.CALLBACK_NUM_ATAG,
        Tag.SOURCE_SUBADDRESS,
        Tag.DEST_SUBADDRESS,
        Tag.ADDITIONAL_STATUS_INFO_TEXT,
    }
)
_BIND_IDS: Final = frozenset(
    {
        pdu.BindTransmitter.command_id,
        pdu.BindReceiver.command_id,
        pdu.BindTransceiver.command_id,
        pdu.Outbind.command_id,
    }
)
_STATE_NAMES: Final = {state.value: state.name for state in MessageState}
_RECEIPT_WORDS: Final = re.compile(
    r"\b(id):\s*([\w.-]{1,65})|\b(stat):\s*([A-Za-z]{1,12})|\b(err):\s*([0-9A-Fa-f]{1,8})\b", re.ASCII
)
_RECEIPT_TEXT: Final = re.compile(r"\btext:", re.IGNORECASE)
_UCS2: Final = 8
_TEXTUAL: Final = frozenset({0, 1, 3})
"""Values of data_coding whose octets read as characters one by one, well enough for a person."""
_PLAIN: Final = re.compile(r"[\w.,:;+*()/|-]+", re.ASCII)
"""What needs no quotes in a line."""
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z .&_-]{0,10}", re.ASCII)


TracedPdu: TypeAlias = tuple[float, str, bytes]
"""One PDU as it was seen: the session's seconds, `in` or `out`, the whole frame."""


class TraceRing:
    """The last PDUs of one connection: none older than `age_s`, together at most `octets_max` octets of memory.

    `SessionCore` fills it. `tap` sees every PDU as it passes; it must not raise. Both limits are looked at once a block
    of PDUs: what is kept may exceed them by one.
    """

    __slots__ = ("_age_s", "_blocks", "_newest", "_octets", "octets_max", "tap")

    def __init__(self, octets_max: int = OCTETS_MAX, age_s: float = AGE_S) -> None:
        self.octets_max = octets_max
        self.tap: Tap | None = None
        self._age_s = age_s
        self._octets = 0
        self._blocks: deque[tuple[int, list[TracedPdu]]] = deque()
        self._newest: list[TracedPdu] = []

    def record(self, at: float, direction: str, frame: bytes) -> None:
        """Keep one PDU; the oldest make room."""
        newest = self._newest
        newest.append((at, direction, frame))
        if len(newest) >= BLOCK:
            self._close_block(at)
        if self.tap is not None:
            self.tap(at, direction, frame)

    def _close_block(self, at: float) -> None:
        octets = sum([len(frame) for _, _, frame in self._newest]) + BLOCK * FRAME_OVERHEAD
        blocks = self._blocks
        blocks.append((octets, self._newest))
        self._octets += octets
        self._newest = []
        while blocks and (self._octets > self.octets_max or blocks[0][1][-1][0] < at - self._age_s):
            self._octets -= blocks.popleft()[0]

    def blocks(self, since: float = float("-inf")) -> list[list[TracedPdu]]:
        """What is kept and not older than `since`, oldest first. A copy in no time, so that a reader may take his."""
        newest = self._newest
        if not newest and not self._blocks:
            return []
        last_at = newest[-1][0] if newest else self._blocks[-1][1][-1][0]
        since = max(since, last_at - self._age_s)
        kept = [block for _, block in self._blocks if block[-1][0] >= since] + [list(newest)]
        kept[0] = kept[0][bisect_left(kept[0], since, key=_at) :]
        return kept

    def snapshot(self, since: float = float("-inf")) -> list[TracedPdu]:
        """The same in one piece."""
        return list(chain.from_iterable(self.blocks(since)))


def _at(traced: TracedPdu) -> float:
    return traced[0]


@dataclass(frozen=True, slots=True)
class Described:
    """A PDU for the eye. `status` is "" for a request that has the usual 0; `fields` those that are not empty or 0."""

    direction: str
    command: str
    status: str
    sequence_number: int
    fields: tuple[tuple[str, str], ...]

    def line(self) -> str:
        """One line, in columns."""
        arrow = "<-" if self.direction == "in" else "->"
        shown = " ".join(name if text == "" else f"{name}={_quoted(text)}" for name, text in self.fields)
        return f"{arrow} {self.command:21} {self.status:15} #{self.sequence_number:<7} {shown}".rstrip()


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else repr(text)


def describe(direction: str, frame: bytes, *, redact: bool = True, with_hex: bool = False) -> Described:
    """What a PDU says.

    `with_hex` adds the frame in hexadecimal: only without `redact`, and never for a bind request (its password).
    """
    if len(frame) < HEADER_LENGTH:
        return Described(direction, "?", "", 0, (("octets", str(len(frame))),))
    decoded = decode_frame(frame)
    if isinstance(decoded, UnparsablePdu):
        found = [("unparsable", decoded.reason)]
    else:
        found = _fields(decoded.body, redact)
        found += [("defects", ",".join(decoded.defects))] if decoded.defects else []
    if with_hex and not redact and decoded.command_id not in _BIND_IDS:
        found.append(("frame", frame.hex()))
    is_request = not decoded.command_id & RESPONSE_BIT
    status = "" if is_request and not decoded.command_status else status_name(decoded.command_status)
    return Described(direction, command_name(decoded.command_id), status, decoded.sequence_number, tuple(found))


def _fields(body: pdu.Body, redact: bool) -> list[tuple[str, str]]:
    shown = []
    for one in fields(body):
        value = getattr(body, one.name)
        if one.name == "tlvs" or value in ("", 0, b"", (), None):
            continue
        shown.append((one.name, _shown(body, one.name, value, redact)))
    if isinstance(body, pdu.DeliverSm | pdu.DataSm):
        shown += _receipt(body)
    return shown + [_tlv(tlv, redact) for tlv in body.tlvs]


def _shown(body: pdu.Body, name: str, value: object, redact: bool) -> str:
    if name in _SECRET_FIELDS:
        return "***"
    if redact and name in _PRIVATE_FIELDS:
        return redacted(value)
    if name == "short_message" and isinstance(body, pdu.ShortMessage):
        return readable(body.short_message, body.data_coding, udhi=bool(body.esm_class & EsmClass.UDHI))
    return value.hex() if isinstance(value, bytes) else str(value)


def redacted(value: object) -> str:
    """What a log may say about an address or a text: its length, and the first three digits of a long number.

    A sender's name, letters only, is nobody's number and stays.
    """
    if isinstance(value, str):
        if _NAME.fullmatch(value):
            return value
        return f"{value[:3]}...({len(value)})" if len(value) > 6 and value.isdigit() else f"...({len(value)})"
    return f"...({len(value)})" if isinstance(value, bytes | tuple) else "..."


def readable(octets: bytes, data_coding: int, *, udhi: bool = False) -> str:
    """A text as a person can read it, its header in hexadecimal before it; hexadecimal where it is no text."""
    cut = 1 + octets[0] if udhi and octets else 0
    head, text = octets[:cut], octets[cut:]
    prefix = f"{head.hex()}|" if head else ""
    if data_coding == _UCS2 and not len(text) % 2:
        return prefix + text.decode("utf-16-be", "replace")
    if data_coding in _TEXTUAL:
        return prefix + text.decode("latin-1")
    return prefix + text.hex()


def _receipt(body: pdu.DeliverSm | pdu.DataSm) -> list[tuple[str, str]]:
    """What a receipt's text says of the message: words of fixed shapes, and none that is one of its addresses."""
    if not body.esm_class & RECEIPT_BITS:
        return []
    octets = user_data(body).octets
    text = octets.decode("utf-16-be", "replace") if body.data_coding == _UCS2 else octets.decode("latin-1")
    found: dict[str, str] = {}
    addresses = {address.lstrip("+0") for address in (body.source_addr, body.destination_addr)}
    for match in _RECEIPT_WORDS.finditer(_RECEIPT_TEXT.split(text, maxsplit=1)[0]):
        name, word = (part for part in match.groups() if part is not None)
        if word.lstrip("+0") not in addresses:
            found.setdefault(name, word)
    return [(f"receipt.{name}", word) for name, word in found.items()]


def _tlv(tlv: Tlv, redact: bool) -> tuple[str, str]:
    spec = TLV_SPECS.get(tlv.tag)
    name = spec.name if spec is not None else f"0x{tlv.tag:04X}"
    # A vendor's parameter may hold anything, so it is private too.
    if redact and (spec is None or tlv.tag in _PRIVATE_TAGS):
        return name, redacted(tlv.value)
    if spec is None:
        return name, tlv.value.hex()
    match spec.kind:
        case TlvKind.FLAG:
            return name, tlv.value.hex()
        case TlvKind.INTEGER:
            return name, _integer(tlv)
        case TlvKind.C_OCTET_STRING:
            return name, tlv.value.partition(b"\0")[0].decode("latin-1")
        case TlvKind.OCTET_STRING:
            return name, tlv.value.hex()


def _integer(tlv: Tlv) -> str:
    number = int.from_bytes(tlv.value, "big")
    return _STATE_NAMES.get(number, str(number)) if tlv.tag == Tag.MESSAGE_STATE else str(number)
