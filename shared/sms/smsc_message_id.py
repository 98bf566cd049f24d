"""Pure: message ids of SMSCs, made comparable for the join of receipts to submissions (quirks Q1–Q3).

An SMSC may give an id in hexadecimal in submit_sm_resp and the same number in decimal in its receipts, or the reverse;
with leading zeros in one place; in capitals in the other. The option `message_id_format` says which:

* `raw` (default): the same characters on both sides; case and leading zeros are ignored.
* `hex`: hexadecimal in the response, decimal in the receipt.
* `dec`: decimal in the response, hexadecimal in the receipt.
* `auto`: not known yet; `candidates` lists what an id may be called on the other side.

Both sides are brought to one key: for `hex` and `dec` the number in decimal. What is no number keeps its `raw` key, so
an odd id costs a wrong format, never the receipt. Raw ids are kept beside the key by whoever stores them.
"""

import re
from typing import Final, Literal, TypeAlias

MessageIdFormat: TypeAlias = Literal["raw", "hex", "dec", "auto"]

_HEXADECIMAL: Final = re.compile(r"(?:0[xX])?([0-9a-fA-F]{1,64})", re.ASCII)
_DECIMAL: Final = re.compile(r"[0-9]{1,64}", re.ASCII)


def normalised(raw: str) -> str:
    """Without surrounding white space and NULs, lower case, no leading zeros; an id of zeros only is "0"."""
    trimmed = raw.strip("\0 \t\r\n").lower()
    return trimmed.lstrip("0") or trimmed[:1]


def response_key(raw: str, message_id_format: MessageIdFormat) -> str:
    """The join key of an id from submit_sm_resp."""
    if message_id_format == "hex":
        return _from_hexadecimal(raw) or normalised(raw)
    if message_id_format == "dec":
        return _from_decimal(raw) or normalised(raw)
    return normalised(raw)


def receipt_key(raw: str, message_id_format: MessageIdFormat) -> str:
    """The join key of an id from a receipt. An id with the letters a–f is read as hexadecimal even under `hex`."""
    if message_id_format == "hex":
        return _from_decimal(raw) or _from_hexadecimal(raw) or normalised(raw)
    if message_id_format == "dec":
        return _from_hexadecimal(raw) or normalised(raw)
    return normalised(raw)


def receipt_key_of(id_in_tlv: str, id_in_text: str, message_id_format: MessageIdFormat) -> str:
    """The join key of a receipt that may carry its id twice: the TLV first (quirk Q8); "" when there is none.

    Some SMSCs write the TLV as in the response and the text in the other base, in one PDU (`6aad5` beside
    `0000436949`). When the two are the same number so, the TLV is read as the response would be.
    """
    if not id_in_tlv:
        return receipt_key(id_in_text, message_id_format)
    as_response = response_key(id_in_tlv, message_id_format)
    if id_in_text and as_response == receipt_key(id_in_text, message_id_format):
        return as_response
    return receipt_key(id_in_tlv, message_id_format)


def candidates(raw: str) -> tuple[str, ...]:
    """What the other side may call this id, most likely first: the same, its hexadecimal digits read as a number and
    written in decimal, its decimal digits written in hexadecimal. Each once, normalised."""
    found = [normalised(raw)]
    decimal = _from_hexadecimal(raw)
    if decimal is not None:
        found.append(decimal)
    number = _from_decimal(raw)
    if number is not None:
        found.append(format(int(number), "x"))
    return tuple(dict.fromkeys(found))


def same_number(one: str, other: str) -> bool:
    """Whether two ids are equal under any of the formats."""
    return normalised(one) == normalised(other) or normalised(one) in candidates(other)


def _from_hexadecimal(raw: str) -> str | None:
    match = _HEXADECIMAL.fullmatch(raw.strip("\0 \t\r\n"))
    return str(int(match[1], 16)) if match else None


def _from_decimal(raw: str) -> str | None:
    match = _DECIMAL.fullmatch(raw.strip("\0 \t\r\n"))
    return str(int(match[0])) if match else None
