"""Pure: delivery receipts, read tolerantly from text and TLVs (SMPP 3.4, appendix B and 5.3.2; quirks Q6–Q11).

Nothing here raises, whatever the octets: a field that cannot be read is absent, and the text is kept as it came. TLVs
win over the text (Q8); where both speak and differ, `Receipt.conflicts` names the field.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from shared.sms import tlv_tags
from shared.sms.receipt_octets import receipt_characters
from shared.sms.receipt_time import epoch_ms
from shared.sms.receipt_words import decisive, stat_word, state_word
from shared.sms.smsc_message_id import same_number

_KNOWN_KEYS: Final = "id|sub|dlvrd|submit[ _]?date|done[ _]?date|status|stat|err|text"
_KEY: Final = re.compile(
    rf"(?:(?<![0-9A-Za-z_:.-])(?P<known>{_KNOWN_KEYS})|(?:^|(?<=[\s,;|]))(?P<other>[A-Za-z][A-Za-z0-9_.-]*))\s*:",
    re.IGNORECASE | re.ASCII,
)
_WORD: Final = re.compile(r"[^\s\0,;|]+", re.ASCII)
_CODE: Final = re.compile(r"[0-9A-Fa-f]{1,4}")


@dataclass(frozen=True, slots=True)
class NetworkErrorCode:
    """The TLV (5.3.2.31): `network_type` 1 ANSI-136, 2 IS-95, 3 GSM, …; None when only digits were sent (Q9)."""

    network_type: int | None
    code: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt as read. Strings are "" and numbers None when absent.

    `smsc_message_id` is the one to go by: `id_in_tlv`, else `id_in_text`. `word` is one of `receipt_words`, by TLV and
    by `stat`, a final one first; UNKNOWN when neither says anything known. `err` is kept as written, `err_number` only
    where that is decimal. `unknown` are (key, value) pairs nobody defined, `raw` is the whole text.
    """

    smsc_message_id: str
    word: str
    id_in_text: str = ""
    id_in_tlv: str = ""
    stat: str = ""
    message_state: int | None = None
    err: str = ""
    err_number: int | None = None
    network_error_code: NetworkErrorCode | None = None
    sub: int | None = None
    dlvrd: int | None = None
    submit_date: str = ""
    done_date: str = ""
    text: str = ""
    unknown: tuple[tuple[str, str], ...] = ()
    conflicts: tuple[str, ...] = ()
    raw: str = ""

    @property
    def submitted_at_ms(self) -> int | None:
        """`submit_date` as epoch milliseconds."""
        return epoch_ms(self.submit_date)

    @property
    def done_at_ms(self) -> int | None:
        """`done_date` as epoch milliseconds, taken as UTC where the date has no zone."""
        return epoch_ms(self.done_date)


def parse_receipt(
    short_message: bytes,
    tlvs: Iterable[tuple[int, bytes]] = (),
    *,
    data_coding: int = 0,
    receipt_map: Mapping[str, str] | None = None,
) -> Receipt:
    """Text and TLVs of one receipt. message_payload replaces short_message where it is there (Q34).

    `receipt_map` is the connector option, its words in capitals: the carrier's word, or the word of a message_state,
    to a word of `receipt_words` (Q11).
    """
    words = receipt_map or {}
    by_tag = tlv_tags.first_values(tlvs)
    raw = receipt_characters(by_tag.get(tlv_tags.MESSAGE_PAYLOAD, short_message), data_coding)
    fields, unknown = _fields(raw)
    id_in_tlv = c_string(by_tag.get(tlv_tags.RECEIPTED_MESSAGE_ID, b""))
    id_in_text = _first_word(fields.get("id", ""))
    stat = _first_word(fields.get("stat", ""))
    state = _message_state(by_tag.get(tlv_tags.MESSAGE_STATE, b""))
    of_stat = stat_word(stat, words) if stat else ""
    of_state = state_word(state, words) if state is not None else ""
    err = _err(fields.get("err", ""))
    return Receipt(
        smsc_message_id=id_in_tlv or id_in_text,
        word=decisive(of_state, of_stat),
        id_in_text=id_in_text,
        id_in_tlv=id_in_tlv,
        stat=stat,
        message_state=state,
        err=err,
        err_number=_number(err),
        network_error_code=_network_error_code(by_tag.get(tlv_tags.NETWORK_ERROR_CODE, b"")),
        sub=_number(_first_word(fields.get("sub", ""))),
        dlvrd=_number(_first_word(fields.get("dlvrd", ""))),
        submit_date=fields.get("submit_date", ""),
        done_date=fields.get("done_date", ""),
        text=fields.get("text", "").strip(),
        unknown=unknown,
        conflicts=_conflicts(id_in_text, id_in_tlv, of_stat, of_state),
        raw=raw,
    )


_ID_FIRST: Final = re.compile(r"id:([^\s\0:,;|]+)(?:\s|$)", re.IGNORECASE | re.ASCII)


class Mentioned(NamedTuple):
    """What makes a text a receipt: the id that it names, "" without one, and whether it has a `stat`."""

    smsc_message_id: str
    has_stat: bool


def named_id(raw: str) -> str:
    """The id that the text of a receipt names, by the rule of `parse_receipt`; "" where there is none."""
    first = _ID_FIRST.match(raw)
    return first[1] if first else _first_word(_fields(raw)[0].get("id", ""))


def mentioned(raw: str) -> Mentioned:
    """What any text says that may be a receipt or a message of a handset."""
    fields = _fields(raw)[0]
    return Mentioned(_first_word(fields.get("id", "")), bool(_first_word(fields.get("stat", ""))))


_USUAL: Final = re.compile(
    r"id:(?P<id>[^\s\0:,;|]+) sub:(?P<sub>\d*) dlvrd:(?P<dlvrd>\d*) submit date:(?P<submit_date>\d*)"
    r" done date:(?P<done_date>\d*) stat:(?P<stat>\w+) err:(?P<err>[0-9A-Fa-f]{1,4})(?: [Tt]ext:(?P<text>.*))?",
    re.ASCII | re.DOTALL,
)
"""The form of appendix B, letter by letter: one match instead of a search for keys. It says the same as `_searched`."""


def _fields(raw: str) -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    """Known fields by name, first value each, and the unknown ones as (key, value)."""
    usual = _USUAL.fullmatch(raw)
    return _searched(raw) if usual is None else (usual.groupdict(default=""), ())


def _searched(raw: str) -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    """`text` runs to the end of the receipt, except where neither id nor stat has come before it: then it ends where
    the next known field begins."""
    fields: dict[str, str] = {}
    unknown: list[tuple[str, str]] = []
    keys = list(_KEY.finditer(raw))
    for place, key in enumerate(keys):
        name = key["known"].lower().replace(" ", "_") if key["known"] else ""
        if name.endswith("date") and "_" not in name:
            name = name.replace("date", "_date")
        elif name == "status":
            name = "stat"
        rest = keys[place + 1 :]
        if name == "text":
            if "id" in fields or "stat" in fields:
                fields.setdefault(name, raw[key.end() :])
                break
            rest = [following for following in rest if following["known"]]
        value = raw[key.end() : rest[0].start() if rest else None].strip(" \t\r\n,;|")
        if name:
            fields.setdefault(name, value)
        elif "text" not in fields:
            unknown.append((key["other"], value))
    return fields, tuple(unknown)


def _first_word(value: str) -> str:
    if value.isalnum():
        return value
    found = _WORD.search(value)
    return found[0] if found else ""


def _err(value: str) -> str:
    """Digits, hexadecimal digits or words, as written (Q10); what follows a code is not part of it."""
    first = _first_word(value)
    return first if _CODE.fullmatch(first) else value


def _number(value: str) -> int | None:
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else None


def c_string(octets: bytes) -> str:
    """Up to the first NUL, without blanks around it; Latin-1 keeps every octet."""
    return octets.split(b"\0", 1)[0].decode("latin-1").strip()


def _message_state(octets: bytes) -> int | None:
    """One octet; an ASCII digit is taken for the digit, since no state is that high."""
    if not octets or len(octets) > 4:
        return None
    state = int.from_bytes(octets, "big")
    return state - 0x30 if 0x30 <= state <= 0x39 else state


def _network_error_code(octets: bytes) -> NetworkErrorCode | None:
    """Three octets, type and code, or three ASCII digits (Q9): no network type is that high."""
    if len(octets) != 3:
        return None
    if octets.isdigit():
        return NetworkErrorCode(None, int(octets))
    return NetworkErrorCode(octets[0], int.from_bytes(octets[1:], "big"))


def _conflicts(id_in_text: str, id_in_tlv: str, word: str, state_word: str) -> tuple[str, ...]:
    found: list[str] = []
    if id_in_text and id_in_tlv and id_in_text != id_in_tlv and not same_number(id_in_text, id_in_tlv):
        found.append("id")
    if word and state_word and word != state_word:
        found.append("stat")
    return tuple(found)
