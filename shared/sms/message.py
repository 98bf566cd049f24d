"""Pure: the values at the border of the encoder: what is to be encoded, for which connector, and what came of it.

`shared.sms.segmentation.encode_message(request, profile) -> Encoded | NotEncodable` is the one function that uses all
of them. Expected outcomes are values: a text that does not fit is a `NotEncodable`, never an exception.

What is made for every message is a NamedTuple: a frozen dataclass sets each field by a call.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

EncodingChoice: TypeAlias = Literal["auto", "gsm7", "ucs2", "latin1"]
"""What a request may ask for; `latin1` is data_coding 3."""

Alphabet: TypeAlias = Literal["gsm7", "ucs2", "latin1", "binary"]
"""What a message was sent in: the word of the column `encoding`."""

Unit: TypeAlias = Literal["septets", "code units", "octets"]
"""What the room of a segment is counted in, and what it is never cut within."""

LongMessage: TypeAlias = Literal["udh8", "udh16", "sar", "payload"]
"""How a connector wants what does not fit one short message (connector option `long_message`, quirk Q35)."""

DefaultAlphabet: TypeAlias = Literal["gsm7", "latin1", "ascii"]
"""What data_coding 0 means to a connector (option `default_alphabet`, quirk Q38)."""

FlashVariant: TypeAlias = Literal["data_coding", "dest_addr_subunit"]
"""How a connector is told that a message is flash (quirk Q49): message class 0 in the data_coding, or the TLV."""

NotEncodableReason: TypeAlias = Literal["text_too_long", "not_encodable", "invalid_field", "invalid_sender"]

MAX_SEGMENTS_DEFAULT = 40
MAX_SEGMENTS_LIMIT = 255
"""The count is one octet, in the concatenation element (3GPP TS 23.040, 9.2.3.24.1) and in sar_total_segments alike."""

BINARY_DATA_CODING = 4

_NO_MAP: Mapping[int, int] = {}


class EncodeRequest(NamedTuple):
    """One message as its sender wrote it: exactly one of `text` and `data`.

    `udh` (with its length octet) and `data_coding` go with `data` only. `message_id` decides the concatenation
    reference, so the same request always gives the same octets. `lookalikes` lets transliteration put Latin letters in
    place of Cyrillic and Greek ones of the same shape; it does nothing without `transliterate`.
    """

    message_id: str
    to: str
    text: str | None = None
    data: bytes | None = None
    udh: bytes = b""
    data_coding: int | None = None
    encoding: EncodingChoice = "auto"
    transliterate: bool = False
    lookalikes: bool = False
    flash: bool = False
    max_segments: int = MAX_SEGMENTS_DEFAULT


@dataclass(frozen=True, slots=True)
class ConnectorProfile:
    """How one connector wants its octets: the connector options that the encoder must know, defaults first.

    `national_tables` holds language words (those of `shared.sms.national_tables.LANGUAGES`) in the order of
    preference. `data_coding_map` replaces the data_coding that would be sent by the one this SMSC uses instead
    (quirk Q40), e.g. `{0: 241}`; inbound it is read backwards.
    """

    long_message: LongMessage = "udh8"
    default_alphabet: DefaultAlphabet = "gsm7"
    gsm7_packed: bool = False
    national_tables: tuple[str, ...] = ()
    data_coding_map: Mapping[int, int] = field(default_factory=lambda: _NO_MAP)
    flash_variant: FlashVariant = "data_coding"


@dataclass(frozen=True, slots=True)
class Segment:
    """One submit_sm: `octets` is its short_message, the user data header included; `tlvs` are (tag, value) pairs."""

    index: int
    octets: bytes
    tlvs: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One replacement that transliteration made: `position` counts characters of the original text from 0."""

    position: int
    original: str
    replacement: str
    reason: str


class Encoded(NamedTuple):
    """A message as octets. `data_coding` and `esm_class` are the same for every segment, as the connector wants them.

    `esm_class` is 0x40 when the segments carry a user data header, else 0. `why` says in words why this alphabet.
    `segments` has one item per submit_sm; `air_segments` counts what reaches the handset and is paid for: more than
    `len(segments)` only for `long_message: payload`, where the SMSC cuts.
    """

    alphabet: Alphabet
    data_coding: int
    esm_class: int
    segments: tuple[Segment, ...]
    changes: tuple[Change, ...]
    why: str
    air_segments: int


@dataclass(frozen=True, slots=True)
class NotEncodable:
    """Why a message cannot go to this connector: `reason` and `field` as in the public status, `detail` is prose."""

    reason: NotEncodableReason
    field: str
    detail: str
