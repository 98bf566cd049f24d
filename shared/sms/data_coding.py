"""Pure: what the data_coding octet of SMPP means (SMPP 3.4, 5.2.19; 3GPP TS 23.038, 4), out and in.

Outbound, a message class 0 ("flash", quirk Q49) is put into it, and last of all the connector's map replaces the value
by the one this SMSC uses (quirk Q40). Inbound, the map is read backwards first.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from shared.sms import tlv_tags
from shared.sms.message import ConnectorProfile, Unit

DEFAULT_ALPHABET: Final = 0
ASCII: Final = 1
LATIN1: Final = 3
BINARY: Final = 4
UCS2: Final = 8

FLASH_GSM7: Final = 0x10
"""Message class 0 in GSM 7-bit."""

FLASH_SUBUNIT: Final = (tlv_tags.DEST_ADDR_SUBUNIT, b"\x01")
"""dest_addr_subunit = mobile equipment display (SMPP 3.4, 5.3.2.1): the other way to ask for flash."""

WORDS: Final[dict[str, int]] = {
    "gsm7": DEFAULT_ALPHABET,
    "ascii": ASCII,
    "latin1": LATIN1,
    "binary": BINARY,
    "ucs2": UCS2,
}
"""Names that a `data_coding_map` may use for its keys."""

_OF_SMPP: Final = frozenset(range(0x10)) - {DEFAULT_ALPHABET, BINARY, UCS2}
"""Values that SMPP 3.4 (5.2.19) gives a meaning of its own, or none."""

InboundAlphabet: TypeAlias = Literal[
    "gsm7", "ascii", "latin1", "jis", "cyrillic", "hebrew", "ucs2", "iso-2022-jp", "extended-kanji", "korean", "binary"
]
"""What received octets are. `cyrillic` and `hebrew` are ISO 8859-5 and -8, `jis` is JIS X 0208, `extended-kanji`
JIS X 0212, `korean` KS C 5601."""

_NAMED_BY_SMPP: Final[dict[int, InboundAlphabet]] = {
    ASCII: "ascii",
    LATIN1: "latin1",
    0x05: "jis",
    0x06: "cyrillic",
    0x07: "hebrew",
    0x0A: "iso-2022-jp",
    0x0D: "extended-kanji",
    0x0E: "korean",
}
"""The alphabets of SMPP 3.4 (5.2.19) besides the default one and UCS-2."""


def with_flash(data_coding: int) -> int | None:
    """This data_coding with message class 0; None where it has no place for a class.

    General groups (TS 23.038, 4, bits 00xx and, for automatic deletion, 01xx): 0x10 says that the two low bits are a
    class, 0 is class 0. Group 1111: the two low bits always are. SMPP's own values (1, 3, 5–7, 9–14: ASCII, Latin-1, …)
    have no place for one, nor have the groups for waiting messages and those that are reserved.
    """
    if data_coding & 0xF0 == 0xF0:
        return data_coding & 0xF4
    if data_coding & 0x80 or data_coding & 0x0C == 0x0C or data_coding in _OF_SMPP:
        return None
    return data_coding & 0xFC | 0x10


def unit_of(data_coding: int) -> Unit:
    """What a segment of this data_coding must not be cut within: a septet (one an octet), a code unit, or an octet.

    Text compressed as TS 23.042 says, and whatever is unknown, is octets.
    """
    group = data_coding & 0xF0
    if data_coding in _OF_SMPP:
        return "octets"
    if group < 0x80 and not data_coding & 0x20:
        alphabet = data_coding & 0x0C
        return "septets" if alphabet == 0x00 else "code units" if alphabet == 0x08 else "octets"
    if group in (0xC0, 0xD0) or (group == 0xF0 and not data_coding & 0x04):
        return "septets"
    return "code units" if group == 0xE0 else "octets"


def outbound(data_coding: int, profile: ConnectorProfile) -> int:
    """The value this connector wants for it."""
    return profile.data_coding_map.get(data_coding, data_coding)


def standard(data_coding: int, data_coding_map: Mapping[int, int]) -> int:
    """The standard value behind one received: the map backwards; of several keys with one value the lowest counts."""
    if not data_coding_map:
        return data_coding
    return min((ours for ours, theirs in data_coding_map.items() if theirs == data_coding), default=data_coding)


def inbound_alphabet(data_coding: int, profile: ConnectorProfile) -> InboundAlphabet:
    """What received octets are, once the connector's map was read backwards.

    0x01-0x0F are SMPP's own; every other value means what TS 23.038, 4 says: message classes, messages marked for
    deletion and waiting indications are text in GSM 7-bit or UCS-2. Only 0 is what the connector says. Compressed
    text, 8-bit data and reserved groups are binary.
    """
    value = standard(data_coding, profile.data_coding_map)
    if value in _OF_SMPP:
        return _NAMED_BY_SMPP.get(value, "binary")
    match unit_of(value):
        case "septets":
            return profile.default_alphabet if value == DEFAULT_ALPHABET else "gsm7"
        case "code units":
            return "ucs2"
        case _:
            return "binary"


def read_map(written: Mapping[str, int]) -> dict[int, int]:
    """The option `data_coding_map` as written in gateway.yaml: keys are words of `WORDS` or numbers ("0", "0x10").

    Raises ValueError, with a sentence, for any other key and for values outside 0–255.
    """
    read: dict[int, int] = {}
    for key, value in written.items():
        word = key.strip().lower()
        try:
            number = WORDS[word] if word in WORDS else int(word, 0)
        except ValueError:
            raise ValueError(f"data_coding_map: {key!r} is neither a number nor one of {', '.join(WORDS)}") from None
        if not (0 <= number <= 255 and 0 <= value <= 255):
            raise ValueError(f"data_coding_map: {key}: {value} is not within 0 to 255")
        read[number] = value
    return read
