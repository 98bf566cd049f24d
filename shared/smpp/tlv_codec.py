"""Pure: optional parameters to octets and back (SMPP 3.4 section 5.3.1): tag, length (two octets each), value.

What follows the mandatory fields is read as well as it can be: a broken end never costs the PDU.
"""

from struct import Struct
from typing import Final, Literal, TypeAlias

from shared.smpp.tlv import Tlv

_TAG_AND_LENGTH: Final = Struct("!HH")

TlvDefect: TypeAlias = Literal["surplus_nul", "broken_tlvs"]


def encode_tlvs(tlvs: tuple[Tlv, ...]) -> bytes:
    """The octets of all parameters in order. Raises struct.error for a tag or a length above 65,535."""
    return b"".join([_TAG_AND_LENGTH.pack(tlv.tag, len(tlv.value)) + tlv.value for tlv in tlvs])


def decode_tlvs(frame: bytes, position: int) -> tuple[tuple[Tlv, ...], TlvDefect | None]:
    """The parameters from `position` to the end of `frame`, and what was wrong with them.

    `surplus_nul`: a NUL stood between the message and the parameters; sm_length proves that it belongs to neither, so
    it is skipped (Q29). `broken_tlvs`: the end could not be read as a parameter and was left out.
    """
    if position == len(frame):
        return (), None
    tlvs, end = _read(frame, position)
    if end == len(frame):
        return tlvs, None
    if frame[position] == 0:
        shifted, shifted_end = _read(frame, position + 1)
        if shifted_end == len(frame):
            return shifted, "surplus_nul"
    return tlvs, "broken_tlvs"


def _read(frame: bytes, position: int) -> tuple[tuple[Tlv, ...], int]:
    """Parameters from `position` on as far as they are whole, and where the last whole one ends."""
    tlvs: list[Tlv] = []
    total = len(frame)
    while position + 4 <= total:
        tag, length = _TAG_AND_LENGTH.unpack_from(frame, position)
        end = position + 4 + length
        if end > total:
            break
        tlvs.append(Tlv(tag, frame[position + 4 : end]))
        position = end
    return tuple(tlvs), position
