"""Pure: binary messages with a user data header of their own (3GPP TS 23.040, 9.2.3.24).

What fits a segment goes as one, header untouched. What does not is concatenated, and the other elements of the header
are kept where they belong: addressing and indication elements in every segment, (U)SIM toolkit security headers in the
first one only (TS 31.115). Elements that speak of a place in the text of their own segment (EMS) would be wrong after a
cut, and a concatenation of the sender's own contradicts ours: those are refused, and so is what is known to be wrong.

Data may be text that the sender has encoded: where the data_coding says so, no segment ends within an escaped character
or a surrogate pair, and unpacked septets have the room of septets.
"""

from typing import Final

from shared.sms import ucs2, udh
from shared.sms.alphabet import Choice
from shared.sms.cutting import cut_octets, cut_septets, octets_behind, septets_behind
from shared.sms.data_coding import unit_of
from shared.sms.gsm7 import ESCAPE
from shared.sms.message import BINARY_DATA_CODING, ConnectorProfile, EncodeRequest, NotEncodable, Unit
from shared.sms.room import Room, room

WHY_BINARY: Final = "the request carries data, not text"

_IN_EVERY_SEGMENT: Final = frozenset(
    {
        udh.SPECIAL_MESSAGE_INDICATION,
        udh.PORTS_8BIT,
        udh.PORTS_16BIT,
        udh.SMSC_CONTROL,
        udh.REPLY_ADDRESS,
        udh.NATIONAL_SINGLE_SHIFT,
        udh.NATIONAL_LOCKING_SHIFT,
    }
)
_CONCATENATIONS: Final = frozenset({udh.CONCATENATED_8BIT, udh.CONCATENATED_16BIT})


def cut_binary(data: bytes, request: EncodeRequest, profile: ConnectorProfile) -> Choice | NotEncodable:
    """The pieces of `data`, with the elements of `request.udh` that each segment carries."""
    parsed = udh.UserDataHeader(length=0)
    if request.udh:
        parsed = udh.parse(request.udh)
        if parsed.malformed:
            return _wrong_udh(parsed.malformed)
        if parsed.length != len(request.udh):
            return _wrong_udh(f"its length octet says {parsed.length - 1}, {len(request.udh) - 1} octets follow")
        for fault in map(udh.element_fault, parsed.elements):
            if fault:
                return _wrong_udh(fault)
    unit = _unit(data, request, profile)
    head = len(request.udh)
    if len(data) <= (septets_behind(head) if unit == "septets" else octets_behind(head)):
        return Choice("binary", [data], WHY_BINARY, elements=request.udh[1:], unit=unit)
    return _concatenated(data, parsed, unit, profile)


def _unit(data: bytes, request: EncodeRequest, profile: ConnectorProfile) -> Unit:
    """What `data` is made of. Septets are taken for octets where they cannot be one an octet: packed, in an alphabet of
    the connector's own, or with an eighth bit."""
    unit = unit_of(BINARY_DATA_CODING if request.data_coding is None else request.data_coding)
    if unit == "septets" and (profile.gsm7_packed or profile.default_alphabet != "gsm7" or not data.isascii()):
        return "octets"
    return unit


def _concatenated(
    data: bytes, parsed: udh.UserDataHeader, unit: Unit, profile: ConnectorProfile
) -> Choice | NotEncodable:
    every = first = b""
    for element in parsed.elements:
        if element.identifier in _CONCATENATIONS:
            return _wrong_udh("it holds a concatenation, but with the data it is over a segment")
        if element.identifier in udh.TOOLKIT_SECURITY:
            first += element.to_bytes()
        elif element.identifier in _IN_EVERY_SEGMENT:
            every += element.to_bytes()
        else:
            return _wrong_udh(
                f"element 0x{element.identifier:02X} has no meaning in several segments, "
                "and header and data are over one"
            )
    others = room(profile.long_message, len(every))
    beginning = room(profile.long_message, len(every) + len(first))
    if beginning.piece_octets < 2:
        return _wrong_udh("it leaves no room for data in a segment")
    pieces = _pieces(data, unit, beginning, others)
    return Choice("binary", pieces, WHY_BINARY, elements=every, first_elements=first, unit=unit)


def _pieces(data: bytes, unit: Unit, beginning: Room, others: Room) -> list[bytes]:
    """`data` in several pieces, the first one of another size."""
    match unit:
        case "septets":
            stop = beginning.piece_septets
            stop -= data[stop - 1] == ESCAPE
            return [data[:stop], *cut_septets(data[stop:], others.piece_septets, others.piece_septets, packed=False)]
        case "code units":
            return ucs2.plain_cut(data, others.piece_octets // 2, beginning.piece_octets // 2)
        case "octets":
            stop = beginning.piece_octets
            return [data[:stop], *cut_octets(data[stop:], others.piece_octets, others.piece_octets)]


def _wrong_udh(detail: str) -> NotEncodable:
    return NotEncodable("invalid_field", "udh", f"udh: {detail}")
