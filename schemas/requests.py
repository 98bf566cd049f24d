"""Pure: `mt.requests` and `mt.requests.otp`, the public way in. One JSON object per message to send.

The rules of single fields are functions here, because two must agree on them: this model, which is the published
contract, and ingress, which checks field by field so that a wrong one ends in a status that names it.
"""

import binascii
import re
from datetime import date
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from schemas.tlvs import is_tlvs
from schemas.wire import EncodingWish, Lane, ReceiptWish, Wire

ACCOUNT_ID_MAX: Final = 64
IDEMPOTENCY_KEY_MAX: Final = 128
CAMPAIGN_ID_MAX: Final = 64
BODY_MAX: Final = 65_536
"""Characters of `text`, or of base64 in `data`: far above what 255 segments hold, which the encoder decides."""
UDH_MAX: Final = 140
VALIDITY_MAX_S: Final = 604_800
VALIDITY_DEFAULT_S: Final = 86_400
METADATA_ENTRIES_MAX: Final = 16
METADATA_BYTES_MAX: Final = 1024

GSM7_CHARACTERS: Final = (
    "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà^{}\\[~]|€"
)
"""What a sender may be made of: the default alphabet and its extension (3GPP TS 23.038, 6.2.1), line ends left out."""

_DESTINATION: Final = re.compile(r"\+?[1-9][0-9]{6,14}|[0-9]{3,6}")
SHORT_CODE_DIGITS_MAX: Final = 6
_LETTERS: Final = "".join(c for c in GSM7_CHARACTERS if c.isalpha())
_SENDER: Final = re.compile(rf"\+?[0-9]{{3,15}}|(?=.*[{_LETTERS}])[{re.escape(GSM7_CHARACTERS)}]{{1,11}}")
_RFC3339: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)(?:\.([0-9]{1,9}))?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


def is_destination(value: str) -> bool:
    """Whether `value` is an E.164 number, with or without its plus sign, or 3-6 digits. No numbering plan is consulted;
    whether the account may send to short codes is ingress's question."""
    return _DESTINATION.fullmatch(value) is not None


def is_short_code(to: str) -> bool:
    """Whether a destination is one."""
    return len(to) <= SHORT_CODE_DIGITS_MAX


def is_sender(value: str) -> bool:
    """Whether `value` is 3-15 digits, with or without a plus sign, or 1-11 GSM-7 characters with a letter."""
    return _SENDER.fullmatch(value) is not None


def sender_as_sent(value: str) -> str:
    """A sender as handsets are to see it: a number without its plus sign, which the type of number says instead."""
    return value[1:] if value[:1] == "+" and value[1:].isdecimal() else value


def octets_of(value: str) -> bytes | None:
    """The octets of padded standard base64 (RFC 4648, 4), without line ends; None for anything else."""
    try:
        return binascii.a2b_base64(value, strict_mode=True)
    except ValueError:
        return None


def is_udh(value: str) -> bool:
    """Whether `value` is base64 of a user data header: the length octet, then as many octets as it says."""
    octets = octets_of(value)
    return octets is not None and len(octets) > 0 and len(octets) == octets[0] + 1 <= UDH_MAX


def is_metadata(value: dict[str, str]) -> bool:
    """Whether a map from str to str is within the limits: entries, and UTF-8 bytes of all keys and values."""
    if len(value) > METADATA_ENTRIES_MAX:
        return False
    return sum(len(k.encode()) + len(v.encode()) for k, v in value.items()) <= METADATA_BYTES_MAX


def rfc3339_ms(value: str) -> int | None:
    """Milliseconds since the epoch of an RFC 3339 time (`2026-07-01T12:00:00Z`); None when it is none.

    A leap second counts as the second after it. Years 0001-9999, so the result may be negative.
    """
    match = _RFC3339.fullmatch(value)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, off_hours, off_minutes = match.groups()
    try:
        days = date(int(year), int(month), int(day)).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    offset_s = (int(off_hours) * 3600 + int(off_minutes) * 60) * (-1 if sign == "-" else 1) if sign else 0
    seconds = days * 86_400 + int(hour) * 3600 + int(minute) * 60 + int(second) - offset_s
    return seconds * 1000 + int(((fraction or "") + "000")[:3])


def _required(check: Any, sentence: str) -> AfterValidator:
    def validated(value: Any) -> Any:
        if not check(value):
            raise ValueError(sentence)
        return value

    return AfterValidator(validated)


Sender = Annotated[str, _required(is_sender, "neither 3-15 digits nor 1-11 GSM-7 characters with a letter")]
Base64 = Annotated[str, _required(lambda v: octets_of(v) is not None, "not base64"), Field(max_length=BODY_MAX)]
Udh = Annotated[str, _required(is_udh, "not base64 of a user data header with its length octet")]
Rfc3339 = Annotated[str, _required(lambda v: rfc3339_ms(v) is not None, "not an RFC 3339 time")]
RequestTlvs = Annotated[dict[str, str], _required(is_tlvs, "no optional parameters that a request may give")]
Metadata = Annotated[dict[str, str], _required(is_metadata, "more than 16 entries or 1 KiB")]


class Request(Wire):
    """What a producer publishes (docs/contracts.md). Unknown fields are ignored; the Kafka key is never read.

    This model is the published contract. Ingress does its own field-by-field admission, because a wrong field must
    end in a status that names it, and accepts exactly what this model accepts. A null field is an absent one; types
    are strict (no number in a string, no bool as a number). What depends on the time or the configuration is decided
    by ingress alone: `send_at`, accounts, connectors, routes.
    """

    model_config = ConfigDict(strict=True)

    schema_version: int = Field(default=1, ge=1, le=1)
    account_id: str = Field(min_length=1, max_length=ACCOUNT_ID_MAX, description="Whose message it is")
    idempotency_key: str | None = Field(
        default=None,
        min_length=1,
        max_length=IDEMPOTENCY_KEY_MAX,
        description="Same account + same key = same message, for 24 h",
    )
    to: str = Field(
        pattern=r"^(\+?[1-9][0-9]{6,14}|[0-9]{3,6})$",
        description="Destination, E.164; 3-6 digits are a short code, for accounts with `short_codes: true`",
    )
    sender: Sender | None = Field(
        default=None,
        alias="from",
        description="3-15 digits (a leading + is taken off), or 1-11 GSM-7 characters with a letter; default from the "
        "account",
    )
    text: str | None = Field(
        default=None, max_length=BODY_MAX, description="Exactly one of text and data; never normalised or trimmed"
    )
    data: Base64 | None = Field(default=None, description="Binary message, base64")
    udh: Udh | None = Field(default=None, description="User data header for data, base64, begins with its length octet")
    data_coding: int | None = Field(
        default=None, ge=0, le=255, description="data_coding of a binary message, default 4"
    )
    lane: Lane | None = Field(default=None, description="Priority class; default txn, on mt.requests.otp otp")
    encoding: EncodingWish = Field(default="auto", description="auto = gsm7 where every character is in it, else ucs2")
    transliterate: bool | None = Field(
        default=None, description="Replace characters outside GSM-7 where that saves segments; default from the account"
    )
    send_at: Rfc3339 | None = Field(default=None, description="RFC 3339")
    campaign_id: str | None = Field(
        default=None, min_length=1, max_length=CAMPAIGN_ID_MAX, description="Groups messages for reports"
    )
    tlvs: RequestTlvs = Field(
        default_factory=dict,
        description="Optional parameters of every segment's submit_sm beside the connector's: tag (`0x1401`) to value "
        "(`text:…`, `hex:…`, `int:…`)",
    )
    protocol_id: int | None = Field(default=None, ge=0, le=255, description="protocol_id of submit_sm")
    priority_flag: int | None = Field(default=None, ge=0, le=3, description="priority_flag of submit_sm")
    validity_s: int = Field(
        default=VALIDITY_DEFAULT_S, ge=1, le=VALIDITY_MAX_S, description="No attempt later than acceptance plus this"
    )
    receipt: ReceiptWish = "final"
    connector_id: str | None = Field(default=None, description="Pin a route")
    flash: bool = False
    metadata: Metadata = Field(
        default_factory=dict, description="At most 16 entries, 1 KiB in all; comes back on every status"
    )

    @classmethod
    def from_json(cls, value: bytes | str) -> Self:
        """On the wire the sender is `from` and nothing else; the name `sender` is for Python."""
        return cls.model_validate_json(value, by_alias=True, by_name=False)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if (self.text is None) == (self.data is None):
            raise ValueError("give exactly one of text and data")
        if self.data is None and (self.udh is not None or self.data_coding is not None):
            raise ValueError("udh and data_coding go with data only")
        if self.data is not None and (self.encoding != "auto" or self.transliterate):
            raise ValueError("encoding and transliterate go with text only")
        return self
