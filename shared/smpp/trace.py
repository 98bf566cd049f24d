"""Pure: the last PDUs of a connection, kept as octets, decoded and redacted only when somebody looks.

Recording costs an append. What is shown never has a password; MSISDNs and texts are shown as their length unless the
reader asks for them with `redact=False`.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final

from shared.smpp import pdu
from shared.smpp.codec import UnparsablePdu, decode_frame
from shared.smpp.constants import command_name, status_name
from shared.smpp.tlv import TLV_SPECS, Tag, Tlv

FRAMES_MAX: Final = 2000
OCTETS_MAX: Final = 4 * 1024 * 1024

_SECRET_FIELDS: Final = frozenset({"password"})
_PRIVATE_FIELDS: Final = frozenset(
    {"source_addr", "destination_addr", "esme_addr", "short_message", "dest_address", "unsuccess_sme"}
)
_PRIVATE_TAGS: Final = frozenset(
    {Tag.MESSAGE_PAYLOAD, Tag.CALLBACK_NUM, Tag.CALLBACK_NUM_ATAG, Tag.SOURCE_SUBADDRESS, Tag.DEST_SUBADDRESS}
)
_BIND_IDS: Final = frozenset(
    {
        pdu.BindTransmitter.command_id,
        pdu.BindReceiver.command_id,
        pdu.BindTransceiver.command_id,
        pdu.Outbind.command_id,
    }
)


@dataclass(frozen=True, slots=True)
class TracedPdu:
    """One PDU as it was seen: `at` in the session's seconds, `direction` `in` or `out`, the whole frame."""

    at: float
    direction: str
    frame: bytes


class TraceRing:
    """The last PDUs of one connection, at most `frames_max` of them and `octets_max` octets; `SessionCore` fills it."""

    def __init__(self, frames_max: int = FRAMES_MAX, octets_max: int = OCTETS_MAX) -> None:
        self._ring: deque[TracedPdu] = deque(maxlen=frames_max)
        self._frames_max = frames_max
        self._octets_max = octets_max
        self._octets = 0
        self.enabled = True

    def record(self, at: float, direction: str, frame: bytes) -> None:
        """Keep one PDU; the oldest make room."""
        if not self.enabled:
            return
        ring = self._ring
        if len(ring) == self._frames_max:
            self._octets -= len(ring[0].frame)
        ring.append(TracedPdu(at, direction, frame))
        self._octets += len(frame)
        while self._octets > self._octets_max:
            self._octets -= len(ring.popleft().frame)

    def __len__(self) -> int:
        return len(self._ring)

    def __iter__(self) -> Iterator[TracedPdu]:
        """Oldest first; a copy, so that a reader may wait between two."""
        return iter(list(self._ring))


def describe(traced: TracedPdu, *, redact: bool = True, with_hex: bool = False) -> str:
    """One line: direction, command, status, sequence_number, then every field that is not empty or 0.

    `with_hex` adds the frame in hexadecimal: only without `redact`, and never for a bind request (its password).
    """
    frame = traced.frame
    decoded = decode_frame(frame) if len(frame) >= 16 else None
    if decoded is None:
        return f"{traced.direction:3} ? {len(frame)} octets"
    arrow = "<-" if traced.direction == "in" else "->"
    parts = [
        arrow,
        command_name(decoded.command_id),
        f"{status_name(decoded.command_status)}",
        f"#{decoded.sequence_number}",
    ]
    if isinstance(decoded, UnparsablePdu):
        parts.append(f"unparsable ({decoded.reason})")
    else:
        parts += _fields(decoded.body, redact)
        parts += [f"defects={','.join(decoded.defects)}"] if decoded.defects else []
    if with_hex and not redact and decoded.command_id not in _BIND_IDS:
        parts.append(frame.hex())
    return " ".join(parts)


def mentions(traced: TracedPdu, text: str) -> bool:
    """Whether the frame contains `text` (an MSISDN, a message_id) as Latin-1 octets."""
    try:
        return text.encode("latin-1") in traced.frame
    except UnicodeEncodeError:
        return False


def _fields(body: pdu.Body, redact: bool) -> list[str]:
    shown = []
    for one in fields(body):
        value = getattr(body, one.name)
        if one.name == "tlvs" or value in ("", 0, b"", (), None):
            continue
        shown.append(f"{one.name}={_shown(one.name, value, redact)}")
    return shown + [_tlv(tlv, redact) for tlv in body.tlvs]


def _shown(name: str, value: object, redact: bool) -> str:
    if name in _SECRET_FIELDS:
        return "***"
    if redact and name in _PRIVATE_FIELDS:
        return redacted(value)
    return value.hex() if isinstance(value, bytes) else repr(value)


def redacted(value: object) -> str:
    """What a log may say about an address or a text: its length, and the first three digits of a long number."""
    if isinstance(value, str):
        return f"{value[:3]}...({len(value)})" if len(value) > 6 and value.isdigit() else f"...({len(value)})"
    return f"...({len(value)})" if isinstance(value, bytes | tuple) else "..."


def _tlv(tlv: Tlv, redact: bool) -> str:
    spec = TLV_SPECS.get(tlv.tag)
    name = spec.name if spec is not None else f"0x{tlv.tag:04X}"
    # A vendor's parameter may hold anything, so it is private too.
    private = spec is None or tlv.tag in _PRIVATE_TAGS
    return f"{name}={redacted(tlv.value) if redact and private else tlv.value.hex()}"
