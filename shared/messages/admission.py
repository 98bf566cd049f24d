"""Pure: what a record of `mt.requests` says, checked field by field (docs/contracts.md).

It must never raise, whatever the bytes, and it is on the way of every message: `orjson` and one check per field that
is there, in a table. The rules of the fields are those of `schemas.requests`; a contract test holds the two together.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias, cast, get_args

import orjson

from schemas.message_context import MessageContext
from schemas.requests import (
    ACCOUNT_ID_MAX,
    BODY_MAX,
    CAMPAIGN_ID_MAX,
    IDEMPOTENCY_KEY_MAX,
    VALIDITY_DEFAULT_S,
    VALIDITY_MAX_S,
    is_destination,
    is_metadata,
    is_sender,
    is_udh,
    octets_of,
    rfc3339_ms,
    sender_as_sent,
)
from schemas.tlvs import is_tlvs
from schemas.wire import LANES, RECEIPT_WISHES, EncodingWish, Json, Lane, ReceiptWish

VERSION: Final = 1
SCHEDULE_AHEAD_MAX_MS: Final = 90 * 86_400_000
"""A `send_at` further ahead than this is out of range."""
SCHEDULE_PAST_MS: Final = 60_000
"""A `send_at` that is no longer past is sent now: clients mean "now" by their own clock and wait in their own queue."""
ECHO_MAX: Final = 64
"""A wrong value is shown in the status up to this length; it may be as long as a record."""
BINARY_DATA_CODING: Final = 4

_SURROGATE: Final = re.compile("[\ud800-\udfff]")

Check: TypeAlias = Callable[[Any], str | None]
"""A field's value to the reason it is refused for, or None."""


class Admitted(NamedTuple):
    """A request that is right in itself. A tuple, because one is made per message.

    `to` has no plus sign; `sender` and `transliterate` are None where the account's setting applies; `data_coding` is
    None for text.
    """

    account_id: str
    idempotency_key: str | None
    to: str
    sender: str | None
    text: str | None
    data: str | None
    udh: str | None
    data_coding: int | None
    lane: Lane
    encoding: EncodingWish
    transliterate: bool | None
    send_at_ms: int | None
    campaign_id: str | None
    tlvs: dict[str, str] | None
    protocol_id: int | None
    priority_flag: int | None
    validity_s: int
    receipt: ReceiptWish
    connector_id: str | None
    flash: bool
    metadata: dict[str, str]

    def context(self, message_id: str, accepted_at_ms: int, sender: str, country: str) -> MessageContext:
        """The context of the message that this request becomes, or would have."""
        return MessageContext(
            message_id,
            accepted_at_ms,
            self.account_id,
            self.to,
            sender,
            country,
            self.lane,
            self.receipt,
            self.idempotency_key or "",
            self.metadata,
            self.campaign_id or "",
        )


class Rejected(NamedTuple):
    """A request that is wrong: the reason (`schemas.reasons`), the field, and of the rest what could be read.

    `to` has no plus sign where it `is_number`; else it is shown as it was written.
    """

    reason: str
    field: str
    account_id: str | None
    idempotency_key: str | None
    to: str | None
    is_number: bool
    metadata: dict[str, str]
    campaign_id: str | None

    def context(self, message_id: str, accepted_at_ms: int, country: str) -> MessageContext:
        """What could be read, for the status that says what is wrong. It goes no further: there is no lane."""
        return MessageContext(
            message_id,
            accepted_at_ms,
            self.account_id or "",
            self.to or "",
            "",
            country,
            cast("Lane", ""),
            "final",
            self.idempotency_key or "",
            self.metadata,
            self.campaign_id or "",
        )


class NotAnObject(NamedTuple):
    """A value that is no JSON object: for the dead letters. `error` is a sentence."""

    error: str


Admission: TypeAlias = Admitted | Rejected | NotAnObject


def admit(value: bytes | None, accepted_at_ms: int, default_lane: Lane) -> Admission:
    """Read one request. `accepted_at_ms` is the record's LogAppendTime: `send_at` is judged by it. Never raises."""
    read = read_object(value)
    if isinstance(read, NotAnObject):
        return read
    request, checks = read
    for name, found in request.items():
        if found is not None and (check := checks.get(name)) is not None and check(found) is not None:
            return _rejected(request, checks, accepted_at_ms)
    if _conflict(request, accepted_at_ms) is not None:
        return _rejected(request, checks, accepted_at_ms)
    return _admitted(request, default_lane)


def read_object(value: bytes | None) -> "tuple[Json, dict[str, Check]] | NotAnObject":
    """The object that `value` is, and the checks for its fields. Never raises."""
    if value is None:
        return NotAnObject("the record has no value")
    try:
        request = orjson.loads(value)
        checks = CHECKS
    except orjson.JSONDecodeError as error:
        request = _tolerantly(value)
        if request is None:
            return NotAnObject(f"not JSON: {error}")
        checks = CHECKS_OF_ANY_TEXT
    if type(request) is not dict:
        return NotAnObject(f"JSON, but no object: {type(request).__name__}")
    return request, checks


def mistakes_of(request: Json, checks: dict[str, Check], accepted_at_ms: int) -> list[tuple[str, str]]:
    """(reason, field) of every field that is wrong by itself, in the order of the contract's table; where none is, of
    what is wrong between them. Empty: the request is right in itself.
    """
    get = request.get
    found = [
        (reason, name)
        for name, check in checks.items()
        if (value := get(name)) is not None and (reason := check(value)) is not None
    ]
    if found:
        return found
    conflict = _conflict(request, accepted_at_ms)
    return [] if conflict is None else [conflict]


def _admitted(request: Json, default_lane: Lane) -> Admitted:
    get = request.get
    to: str = request["to"]
    sender: str | None = get("from")
    data = get("data")
    data_coding = get("data_coding")
    send_at = get("send_at")
    return Admitted(
        request["account_id"],
        get("idempotency_key"),
        to[1:] if to[0] == "+" else to,
        None if sender is None else sender_as_sent(sender),
        get("text"),
        data,
        get("udh"),
        BINARY_DATA_CODING if data_coding is None and data is not None else data_coding,
        get("lane") or default_lane,
        get("encoding") or "auto",
        get("transliterate"),
        None if send_at is None else rfc3339_ms(send_at),
        get("campaign_id"),
        get("tlvs") or None,
        get("protocol_id") or None,
        get("priority_flag") or None,
        get("validity_s") or VALIDITY_DEFAULT_S,
        get("receipt") or "final",
        get("connector_id"),
        get("flash") or False,
        get("metadata") or {},
    )


def _conflict(request: Json, accepted_at_ms: int) -> tuple[str, str] | None:
    """(reason, field) of what is wrong between fields that are right by themselves."""
    get = request.get
    for name in ("account_id", "to"):
        if get(name) is None:
            return "missing_field", name
    text, data = get("text"), get("data")
    if (text is None) == (data is None):
        return "body_conflict", "text" if text is None else "data"
    if data is None:
        for name in ("udh", "data_coding"):
            if get(name) is not None:
                return "body_conflict", name
    else:
        if get("encoding") not in {None, "auto"}:
            return "body_conflict", "encoding"
        if get("transliterate"):
            return "body_conflict", "transliterate"
    return None if get("send_at") is None else _schedule(request["send_at"], accepted_at_ms)


def _schedule(send_at: str, accepted_at_ms: int) -> tuple[str, str] | None:
    ahead_ms = (rfc3339_ms(send_at) or 0) - accepted_at_ms
    in_range = -SCHEDULE_PAST_MS <= ahead_ms <= SCHEDULE_AHEAD_MAX_MS
    return None if in_range else ("schedule_out_of_range", "send_at")


def _rejected(request: Json, checks: dict[str, Check], accepted_at_ms: int) -> Rejected:
    """The first thing wrong in the order of the contract's table, whatever order the producer wrote."""
    reason, field = "", ""
    for name, check in checks.items():
        found = request.get(name)
        if found is not None and (reason := check(found) or ""):
            field = name
            break
    else:
        reason, field = _conflict(request, accepted_at_ms) or ("invalid_field", "")
    metadata = request.get("metadata")
    key, campaign_id = request.get("idempotency_key"), request.get("campaign_id")
    to: Any = request.get("to")
    is_number = to is not None and checks["to"](to) is None
    return Rejected(
        reason,
        field,
        _shown(request.get("account_id")),
        key if key is not None and checks["idempotency_key"](key) is None else None,
        to.removeprefix("+") if is_number else _shown(to),
        is_number,
        metadata if metadata is not None and checks["metadata"](metadata) is None else {},
        campaign_id if campaign_id is not None and checks["campaign_id"](campaign_id) is None else None,
    )


def _shown(value: Any) -> str | None:
    """A wrong value as it may be shown: a short text that has a UTF-8 form."""
    return value if type(value) is str and len(value) <= ECHO_MAX and not _has_surrogate(value) else None


def _tolerantly(value: bytes) -> Any:
    """JSON that `orjson` refuses, above all texts with lone surrogates; None where it is no JSON at all.

    NaN and Infinity are no JSON, so they are refused here too.
    """
    try:
        return json.loads(value.decode("utf-8", "surrogatepass"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _has_surrogate(value: Any) -> bool:
    """Whether one is in a text, or in the keys and texts of an object. It looks no deeper: no field is deeper, and how
    deep a value goes is up to the client.
    """
    if type(value) is dict:
        return any(_is_broken(key) or _is_broken(found) for key, found in value.items())
    return _is_broken(value)


def _is_broken(value: Any) -> bool:
    return type(value) is str and _SURROGATE.search(value) is not None


def _string(length_max: int) -> Check:
    def check(value: Any) -> str | None:
        return None if type(value) is str and 0 < len(value) <= length_max else "invalid_field"

    return check


def _connector_id(value: Any) -> str | None:
    return None if type(value) is str else "invalid_field"


def _word(words: tuple[str, ...]) -> Check:
    def check(value: Any) -> str | None:
        return None if type(value) is str and value in words else "invalid_field"

    return check


def _whole(least: int, most: int) -> Check:
    def check(value: Any) -> str | None:
        return None if type(value) is int and least <= value <= most else "invalid_field"

    return check


def _flag(value: Any) -> str | None:
    return None if type(value) is bool else "invalid_field"


def _version(value: Any) -> str | None:
    if type(value) is not int or value < VERSION:
        return "invalid_field"
    return None if value == VERSION else "unsupported"


def _to(value: Any) -> str | None:
    if type(value) is not str:
        return "invalid_field"
    return None if is_destination(value) else "invalid_destination"


def _sender(value: Any) -> str | None:
    if type(value) is not str:
        return "invalid_field"
    return None if is_sender(value) else "invalid_sender"


def _text(value: Any) -> str | None:
    if type(value) is not str:
        return "invalid_field"
    return None if len(value) <= BODY_MAX else "text_too_long"


def _data(value: Any) -> str | None:
    if type(value) is str and len(value) > BODY_MAX:
        return "text_too_long"
    return None if type(value) is str and octets_of(value) is not None else "invalid_field"


def _udh(value: Any) -> str | None:
    return None if type(value) is str and is_udh(value) else "invalid_field"


def _send_at(value: Any) -> str | None:
    return None if type(value) is str and rfc3339_ms(value) is not None else "invalid_field"


def _texts(is_right: Callable[[dict[str, str]], bool]) -> Check:
    """A map from text to text."""

    def check(value: Any) -> str | None:
        if type(value) is not dict:
            return "invalid_field"
        for text in value.values():
            if type(text) is not str:
                return "invalid_field"
        return None if is_right(value) else "invalid_field"

    return check


CHECKS: Final[dict[str, Check]] = {
    "schema_version": _version,
    "account_id": _string(ACCOUNT_ID_MAX),
    "idempotency_key": _string(IDEMPOTENCY_KEY_MAX),
    "to": _to,
    "from": _sender,
    "text": _text,
    "data": _data,
    "udh": _udh,
    "data_coding": _whole(0, 255),
    "lane": _word(LANES),
    "encoding": _word(get_args(EncodingWish)),
    "transliterate": _flag,
    "send_at": _send_at,
    "campaign_id": _string(CAMPAIGN_ID_MAX),
    "tlvs": _texts(is_tlvs),
    "protocol_id": _whole(0, 255),
    "priority_flag": _whole(0, 3),
    "validity_s": _whole(1, VALIDITY_MAX_S),
    "receipt": _word(RECEIPT_WISHES),
    "connector_id": _connector_id,
    "flash": _flag,
    "metadata": _texts(is_metadata),
}
"""In the order of the contract's table: the first wrong one is named."""


def _of_any_text(check: Check) -> Check:
    def checked(value: Any) -> str | None:
        return "invalid_field" if _has_surrogate(value) else check(value)

    return checked


CHECKS_OF_ANY_TEXT: Final[dict[str, Check]] = {name: _of_any_text(check) for name, check in CHECKS.items()}
"""The same for values that `orjson` refused: their texts may hold lone surrogates, which no encoding has."""
