"""Pure: binary messages with a user data header of their own (3GPP TS 23.040, 9.2.3.24).

What fits 140 octets goes as one segment, header untouched. What does not is concatenated, and the other elements of
the header are kept where they belong: addressing and indication elements in every segment, (U)SIM toolkit security
headers in the first one only (TS 31.115). Elements that speak of a place in the text of their own segment (EMS) would
be wrong after a cut, and a concatenation of the sender's own contradicts ours: those are refused.
"""

from typing import Final

from shared.sms import udh
from shared.sms.alphabet import Choice
from shared.sms.cutting import USER_DATA_OCTETS
from shared.sms.message import BINARY_DATA_CODING, ConnectorProfile, EncodeRequest, NotEncodable
from shared.sms.room import room

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
    if len(request.udh) + len(data) <= USER_DATA_OCTETS:
        return Choice("binary", [data], WHY_BINARY, elements=request.udh[1:], unit="octets")
    return _concatenated(data, parsed, request, profile)


def _concatenated(
    data: bytes, parsed: udh.UserDataHeader, request: EncodeRequest, profile: ConnectorProfile
) -> Choice | NotEncodable:
    every = first = b""
    for element in parsed.elements:
        if element.identifier in _CONCATENATIONS:
            return _wrong_udh(f"it holds a concatenation, but with the data it is over {USER_DATA_OCTETS} octets")
        if element.identifier in udh.TOOLKIT_SECURITY:
            first += element.to_bytes()
        elif element.identifier in _IN_EVERY_SEGMENT:
            every += element.to_bytes()
        else:
            return _wrong_udh(
                f"element 0x{element.identifier:02X} has no meaning in several segments, "
                f"and header and data are over {USER_DATA_OCTETS} octets"
            )
    piece_max = room(profile.long_message, len(every)).piece_octets
    if (request.data_coding or BINARY_DATA_CODING) & 0x0C == 0x08:
        piece_max &= ~1  # UCS-2 sent as data: no segment may end in half of a code unit
    first_max = piece_max - len(first)
    if first_max <= 0:
        return _wrong_udh("it leaves no room for data in a segment")
    pieces = [data[:first_max]]
    pieces += [data[start : start + piece_max] for start in range(first_max, len(data), piece_max)]
    return Choice("binary", pieces, WHY_BINARY, elements=every, first_elements=first, unit="octets")


def _wrong_udh(detail: str) -> NotEncodable:
    return NotEncodable("invalid_field", "udh", f"udh: {detail}")
