"""Pure: the user data header (3GPP TS 23.040, 9.2.3.24): its information elements, built and tolerantly parsed."""

from dataclasses import dataclass
from typing import Final

CONCATENATED_8BIT: Final = 0x00
SPECIAL_MESSAGE_INDICATION: Final = 0x01
PORTS_8BIT: Final = 0x04
PORTS_16BIT: Final = 0x05
SMSC_CONTROL: Final = 0x06
CONCATENATED_16BIT: Final = 0x08
REPLY_ADDRESS: Final = 0x22
NATIONAL_SINGLE_SHIFT: Final = 0x24
NATIONAL_LOCKING_SHIFT: Final = 0x25
TOOLKIT_SECURITY: Final = range(0x70, 0x80)


_LENGTHS: Final = {
    CONCATENATED_8BIT: 3,
    SPECIAL_MESSAGE_INDICATION: 2,
    PORTS_8BIT: 2,
    PORTS_16BIT: 4,
    SMSC_CONTROL: 1,
    CONCATENATED_16BIT: 4,
    NATIONAL_SINGLE_SHIFT: 1,
    NATIONAL_LOCKING_SHIFT: 1,
}
"""Elements of one length only (9.2.3.24.1 to .16)."""


@dataclass(frozen=True, slots=True)
class InformationElement:
    """One element: `identifier` is its IEI, `octets` its data without identifier and length."""

    identifier: int
    octets: bytes

    def to_bytes(self) -> bytes:
        return bytes((self.identifier, len(self.octets))) + self.octets


@dataclass(frozen=True, slots=True)
class Concatenation:
    """Which segment of which message: `index` counts from 1; `ref_bits` is 8 or 16."""

    ref: int
    total: int
    index: int
    ref_bits: int


@dataclass(frozen=True, slots=True)
class Ports:
    """Application port addressing."""

    destination: int
    source: int


@dataclass(frozen=True, slots=True)
class UserDataHeader:
    """A header as found. `length` is what it takes of the user data, its length octet included.

    `malformed` says why the octets are no header: then there is nothing else in it, and `length` is 0. Of an element
    that may stand only once the last one counts (9.2.3.24); a concatenation with index 0 or over its total is no
    concatenation (9.2.3.24.1).
    """

    length: int
    elements: tuple[InformationElement, ...] = ()
    concatenation: Concatenation | None = None
    ports: Ports | None = None
    single_shift: int = 0
    locking_shift: int = 0
    malformed: str = ""


def header(*elements: bytes) -> bytes:
    """A whole header: length octet and elements; no elements, no header. Raises ValueError over 255 octets."""
    octets = b"".join(elements)
    return bytes((len(octets),)) + octets if octets else b""


def concatenation_8bit(ref: int, total: int, index: int) -> bytes:
    """The element of 5 octets, `ref` 0–255."""
    return bytes((CONCATENATED_8BIT, 3, ref, total, index))


def concatenation_16bit(ref: int, total: int, index: int) -> bytes:
    """The element of 6 octets, `ref` 0–65535."""
    return bytes((CONCATENATED_16BIT, 4, ref >> 8, ref & 0xFF, total, index))


def national_shift(locking: int, single: int) -> bytes:
    """The elements that name national tables (9.2.3.24.15, 9.2.3.24.16): none, one or both, 3 octets each."""
    octets = bytes((NATIONAL_SINGLE_SHIFT, 1, single)) if single else b""
    return octets + bytes((NATIONAL_LOCKING_SHIFT, 1, locking)) if locking else octets


def application_ports(destination: int, source: int) -> bytes:
    """The element of port addressing (9.2.3.24.3, 9.2.3.24.4): 8-bit when both ports fit, else 16-bit."""
    if destination <= 0xFF and source <= 0xFF:
        return bytes((PORTS_8BIT, 2, destination, source))
    return bytes((PORTS_16BIT, 4)) + destination.to_bytes(2, "big") + source.to_bytes(2, "big")


def parse(user_data: bytes) -> UserDataHeader:
    """The header at the beginning of `user_data`. Never raises.

    Octets that do not add up, because the header would be longer than the user data or its last element longer than
    the header, are no header (9.2.3.24): all of them are user data. Some SMSCs set the indicator on every message.
    """
    if not user_data:
        return UserDataHeader(length=0, malformed="no length octet")
    end = user_data[0] + 1
    if end > len(user_data):
        return UserDataHeader(length=0, malformed="longer than the user data")
    elements: list[InformationElement] = []
    position = 1
    while position < end:
        if position + 2 > end or position + 2 + user_data[position + 1] > end:
            return UserDataHeader(length=0, malformed="an element is longer than the header")
        start = position + 2
        stop = start + user_data[position + 1]
        elements.append(InformationElement(user_data[position], user_data[start:stop]))
        position = stop
    return _read(end, tuple(elements))


def element_fault(element: InformationElement) -> str:
    """Why a receiver would ignore this element, or read something else; empty where nothing is known to be wrong."""
    identifier, octets = element.identifier, element.octets
    length = _LENGTHS.get(identifier, len(octets))
    if len(octets) != length:
        return f"element 0x{identifier:02X} has {len(octets)} octets, not {length}"
    if identifier in (CONCATENATED_8BIT, CONCATENATED_16BIT) and _concatenation(octets) is None:
        return f"element 0x{identifier:02X} says segment {octets[-1]} of {octets[-2]}"
    return ""


def _read(length: int, elements: tuple[InformationElement, ...]) -> UserDataHeader:
    concatenation: Concatenation | None = None
    ports: Ports | None = None
    single = locking = 0
    for element in elements:
        octets = element.octets
        match element.identifier, len(octets):
            case (0x00, 3) | (0x08, 4):
                concatenation = _concatenation(octets) or concatenation
            case 0x04, 2:
                ports = Ports(octets[0], octets[1])
            case 0x05, 4:
                ports = Ports(int.from_bytes(octets[:2], "big"), int.from_bytes(octets[2:], "big"))
            case 0x24, 1:
                single = octets[0]
            case 0x25, 1:
                locking = octets[0]
    return UserDataHeader(length, elements, concatenation, ports, single, locking)


def _concatenation(octets: bytes) -> Concatenation | None:
    *ref, total, index = octets
    if not 1 <= index <= total:
        return None
    return Concatenation(int.from_bytes(bytes(ref), "big"), total, index, 8 * len(ref))
