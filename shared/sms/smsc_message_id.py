"""Pure: message ids of SMSCs, made comparable for the join of receipts to submissions (quirks Q1–Q3).

An SMSC may give an id in hexadecimal in submit_sm_resp and the same number in decimal in its receipts, or the reverse;
with leading zeros in one place; in capitals in the other. The option `message_id_format` says which:

* `raw`: the same characters on both sides; case and leading zeros are ignored.
* `hex`: hexadecimal in the response, decimal in the receipt.
* `dec`: decimal in the response, hexadecimal in the receipt.
* `auto` (default): learned from what matches.

The key of a join is always the id as the response wrote it, `normalised`; what the format decides is how a receipt is
read: `names_in_response` lists what the response may have called it. So a format that is learned later, or corrected,
changes nothing about submissions that wait already. What is no number keeps its own name under every format, so an odd
id costs a wrong format, never the receipt.
"""

import re
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

MessageIdFormat: TypeAlias = Literal["raw", "hex", "dec", "auto"]
FormatWord: TypeAlias = Literal["raw", "hex", "dec"]
FORMATS: Final[tuple[FormatWord, ...]] = get_args(FormatWord)
ReceiptIdChoice: TypeAlias = Literal["auto", "tlv", "text"]

_HEXADECIMAL: Final = re.compile(r"(?:0[xX])?([0-9a-fA-F]{1,64})", re.ASCII)
_DECIMAL: Final = re.compile(r"[0-9]{1,64}", re.ASCII)
_PREFIX: Final = "0x"


class ReceiptIds(NamedTuple):
    """The ids of one receipt, each "" where it has none."""

    in_tlv: str
    in_text: str


def normalised(raw: str) -> str:
    """Without blanks and NULs around it, lower case, no leading zeros and no `0x`; an id of zeros only is "0"."""
    trimmed = raw.strip("\0 \t\r\n").lower()
    if trimmed.startswith(_PREFIX) and _HEXADECIMAL.fullmatch(trimmed):
        trimmed = trimmed[len(_PREFIX) :]
    return trimmed.lstrip("0") or trimmed[:1]


def name_in_response(in_receipt: str, message_id_format: FormatWord) -> str:
    """What the response called the id that a receipt writes as `in_receipt`, normalised."""
    number = None
    if message_id_format == "hex":
        number = _from_decimal(in_receipt)
        return normalised(in_receipt) if number is None else format(number, "x")
    if message_id_format == "dec":
        number = _from_hexadecimal(in_receipt)
    return normalised(in_receipt) if number is None else str(number)


def names_in_response(
    ids: ReceiptIds, formats: Iterable[FormatWord], choice: ReceiptIdChoice = "auto"
) -> tuple[str, ...]:
    """What the response may have called it, each name once, most likely first; nothing where there is no id.

    The parameter goes before the text (quirk Q8). Some SMSCs write the parameter as in the response and the text in the
    other base, in one PDU (`6aad5` beside `0000436949`): where the two are the same number so, that is the name.
    """
    in_tlv, in_text = ids
    if choice == "tlv" and in_tlv:
        in_text = ""
    elif choice == "text" and in_text:
        in_tlv = ""
    names: dict[str, None] = {}
    for message_id_format in formats:
        of_text = name_in_response(in_text, message_id_format) if in_text else ""
        if in_tlv and of_text != (as_response := normalised(in_tlv)):
            names[name_in_response(in_tlv, message_id_format)] = None
        elif in_tlv:
            names[as_response] = None
        if of_text:
            names[of_text] = None
    names.pop("", None)
    return tuple(names)


def formats_of(ids: ReceiptIds, name: str, choice: ReceiptIdChoice = "auto") -> tuple[FormatWord, ...]:
    """The formats under which a receipt with these ids is about what the response called `name`.

    An id that is no number, in neither base, can only be `raw`.
    """
    if not any(_HEXADECIMAL.fullmatch(written.strip("\0 \t\r\n")) for written in ids if written):
        return ("raw",)
    return tuple(one for one in FORMATS if name in names_in_response(ids, (one,), choice))


def same_number(one: str, other: str) -> bool:
    """Whether two ids are equal under any of the formats."""
    return normalised(one) in names_in_response(ReceiptIds("", other), FORMATS)


def _from_hexadecimal(raw: str) -> int | None:
    match = _HEXADECIMAL.fullmatch(raw.strip("\0 \t\r\n"))
    return int(match[1], 16) if match else None


def _from_decimal(raw: str) -> int | None:
    match = _DECIMAL.fullmatch(raw.strip("\0 \t\r\n"))
    return int(match[0]) if match else None
