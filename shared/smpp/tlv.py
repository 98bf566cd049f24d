"""Pure: optional parameters (SMPP 3.4 section 5.3): raw in, raw out, with a table that knows the standard ones.

A `Tlv` keeps its octets as they came, so that a vendor's parameter, an odd length or a repeated tag survives a round
trip. Typed reading is by accessor and never raises: `integer(tlvs, Tag.MESSAGE_STATE)`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final


class Tag(IntEnum):
    """Optional parameter tags, SMPP 3.4 section 5.3.2; vendors use 0x1400-0x3FFF."""

    DEST_ADDR_SUBUNIT = 0x0005
    DEST_NETWORK_TYPE = 0x0006
    DEST_BEARER_TYPE = 0x0007
    DEST_TELEMATICS_ID = 0x0008
    SOURCE_ADDR_SUBUNIT = 0x000D
    SOURCE_NETWORK_TYPE = 0x000E
    SOURCE_BEARER_TYPE = 0x000F
    SOURCE_TELEMATICS_ID = 0x0010
    QOS_TIME_TO_LIVE = 0x0017
    PAYLOAD_TYPE = 0x0019
    ADDITIONAL_STATUS_INFO_TEXT = 0x001D
    RECEIPTED_MESSAGE_ID = 0x001E
    MS_MSG_WAIT_FACILITIES = 0x0030
    PRIVACY_INDICATOR = 0x0201
    SOURCE_SUBADDRESS = 0x0202
    DEST_SUBADDRESS = 0x0203
    USER_MESSAGE_REFERENCE = 0x0204
    USER_RESPONSE_CODE = 0x0205
    SOURCE_PORT = 0x020A
    DESTINATION_PORT = 0x020B
    SAR_MSG_REF_NUM = 0x020C
    LANGUAGE_INDICATOR = 0x020D
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    SC_INTERFACE_VERSION = 0x0210
    CALLBACK_NUM_PRES_IND = 0x0302
    CALLBACK_NUM_ATAG = 0x0303
    NUMBER_OF_MESSAGES = 0x0304
    CALLBACK_NUM = 0x0381
    DPF_RESULT = 0x0420
    SET_DPF = 0x0421
    MS_AVAILABILITY_STATUS = 0x0422
    NETWORK_ERROR_CODE = 0x0423
    MESSAGE_PAYLOAD = 0x0424
    DELIVERY_FAILURE_REASON = 0x0425
    MORE_MESSAGES_TO_SEND = 0x0426
    MESSAGE_STATE = 0x0427
    USSD_SERVICE_OP = 0x0501
    DISPLAY_TIME = 0x1201
    SMS_SIGNAL = 0x1203
    MS_VALIDITY = 0x1204
    ALERT_ON_MESSAGE_DELIVERY = 0x130C
    ITS_REPLY_TYPE = 0x1380
    ITS_SESSION_INFO = 0x1383


class TlvKind(Enum):
    """How the value of a standard parameter is written."""

    INTEGER = "integer"
    C_OCTET_STRING = "c_octet_string"
    OCTET_STRING = "octet_string"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class TlvSpec:
    """One row of section 5.3.2. `size`: octets of an integer, at most so many of a string, 0 for a flag."""

    tag: Tag
    kind: TlvKind
    size: int

    @property
    def name(self) -> str:
        """The parameter's name as the specification writes it."""
        return self.tag.name.lower()


@dataclass(frozen=True, slots=True)
class Tlv:
    """One optional parameter as it is on the wire: tag and octets, nothing interpreted."""

    tag: int
    value: bytes = b""


_INTEGER_SIZES: Final = {
    1: (
        "DEST_ADDR_SUBUNIT DEST_NETWORK_TYPE DEST_BEARER_TYPE SOURCE_ADDR_SUBUNIT SOURCE_NETWORK_TYPE "
        "SOURCE_BEARER_TYPE SOURCE_TELEMATICS_ID PAYLOAD_TYPE MS_MSG_WAIT_FACILITIES PRIVACY_INDICATOR "
        "USER_RESPONSE_CODE LANGUAGE_INDICATOR SAR_TOTAL_SEGMENTS SAR_SEGMENT_SEQNUM SC_INTERFACE_VERSION "
        "CALLBACK_NUM_PRES_IND NUMBER_OF_MESSAGES DPF_RESULT SET_DPF MS_AVAILABILITY_STATUS "
        "DELIVERY_FAILURE_REASON MORE_MESSAGES_TO_SEND MESSAGE_STATE DISPLAY_TIME MS_VALIDITY ITS_REPLY_TYPE"
    ),
    2: "DEST_TELEMATICS_ID USER_MESSAGE_REFERENCE SOURCE_PORT DESTINATION_PORT SAR_MSG_REF_NUM SMS_SIGNAL",
    4: "QOS_TIME_TO_LIVE",
}
_STRINGS: Final = (
    (Tag.ADDITIONAL_STATUS_INFO_TEXT, TlvKind.C_OCTET_STRING, 256),
    (Tag.RECEIPTED_MESSAGE_ID, TlvKind.C_OCTET_STRING, 65),
    (Tag.SOURCE_SUBADDRESS, TlvKind.OCTET_STRING, 23),
    (Tag.DEST_SUBADDRESS, TlvKind.OCTET_STRING, 23),
    (Tag.CALLBACK_NUM_ATAG, TlvKind.OCTET_STRING, 65),
    (Tag.CALLBACK_NUM, TlvKind.OCTET_STRING, 19),
    (Tag.NETWORK_ERROR_CODE, TlvKind.OCTET_STRING, 3),
    (Tag.MESSAGE_PAYLOAD, TlvKind.OCTET_STRING, 65535),
    (Tag.USSD_SERVICE_OP, TlvKind.OCTET_STRING, 1),
    (Tag.ITS_SESSION_INFO, TlvKind.OCTET_STRING, 2),
    (Tag.ALERT_ON_MESSAGE_DELIVERY, TlvKind.FLAG, 0),
)


def _table() -> dict[int, TlvSpec]:
    specs = [
        TlvSpec(Tag[name], TlvKind.INTEGER, size) for size, names in _INTEGER_SIZES.items() for name in names.split()
    ]
    specs += [TlvSpec(tag, kind, size) for tag, kind, size in _STRINGS]
    return {int(spec.tag): spec for spec in sorted(specs, key=lambda spec: spec.tag)}


TLV_SPECS: Final[dict[int, TlvSpec]] = _table()
"""Every standard parameter by its tag."""


def integer_tlv(tag: int, number: int) -> Tlv:
    """A parameter with `number` in the size that the table gives the tag (1 octet for a vendor's).

    Raises OverflowError when the number does not fit.
    """
    spec = TLV_SPECS.get(tag)
    size = spec.size if spec is not None and spec.kind is TlvKind.INTEGER else 1
    return Tlv(tag, number.to_bytes(size, "big"))


def text_tlv(tag: int, text: str) -> Tlv:
    """A parameter with `text` in Latin-1, ended by NUL where the table says that it is a C-octet string.

    Raises UnicodeEncodeError for characters beyond U+00FF.
    """
    spec = TLV_SPECS.get(tag)
    octets = text.encode("latin-1")
    return Tlv(tag, octets + b"\0" if spec is not None and spec.kind is TlvKind.C_OCTET_STRING else octets)


def find(tlvs: Iterable[Tlv], tag: int) -> bytes | None:
    """The octets of the first parameter with this tag, None when there is none."""
    for tlv in tlvs:
        if tlv.tag == tag:
            return tlv.value
    return None


def integer(tlvs: Iterable[Tlv], tag: int) -> int | None:
    """The parameter as an unsigned integer of whatever length it came in; None when absent or empty."""
    value = find(tlvs, tag)
    return int.from_bytes(value, "big") if value else None


def text(tlvs: Iterable[Tlv], tag: int) -> str | None:
    """The parameter as Latin-1 text up to its first NUL (many SMSCs leave the NUL out); None when absent."""
    value = find(tlvs, tag)
    return None if value is None else value.partition(b"\0")[0].decode("latin-1")
