"""Pure: Kannel's sendsms (user guide 1.4.5, chapter 6) in the words of a request, and Kannel's words for what is wrong.

Arguments are octets, as they came in the query or the form: `text` has the character set that `charset` says.
"""

from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from schemas.requests import VALIDITY_MAX_S
from services.http_api.problems import Problem
from shared.sms.gsm7 import alphabet

ACCEPTED: Final = "0: Accepted for delivery"
UNAUTHORIZED: Final = "Authorization failed for sendsms"
UNAVAILABLE: Final = "Temporal failure, try again later."
RECEIVERS_MAX: Final = 1_000
_ALL_RECEIPTS: Final = 4 | 8 | 16
KNOWN: Final = frozenset(
    (
        "username",
        "user",
        "password",
        "pass",
        "to",
        "from",
        "text",
        "charset",
        "coding",
        "udh",
        "mclass",
        "validity",
        "deferred",
        "priority",
        "smsc",
        "dlr-mask",
        "dlr-url",
        "meta-data",
        "account",
        "binfo",
        "mwi",
        "compress",
        "pid",
        "alt-dcs",
        "rpi",
    )
)
_NOT_THERE: Final = {
    "dlr-url": "DLR-URL: there are no callbacks yet",
    "meta-data": "Meta-data field not supported",
    "mwi": "MWI field not supported",
    "compress": "Compress field not supported",
    "alt-dcs": "Alt-dcs field not supported",
}
_UCS2: Final = 2
_EIGHT_BIT: Final = 1


class KannelError(Exception):
    """What is answered, with status 400."""


class SendSms(NamedTuple):
    """To each of `receivers` goes the same request."""

    receivers: tuple[str, ...]
    request: dict[str, Any]


def read_sendsms(given: Mapping[str, bytes], now_ms: int) -> SendSms:
    """Arguments of which none is there twice. Raises `KannelError`."""
    for name in given:
        if name in _NOT_THERE:
            raise KannelError(f"{_NOT_THERE[name]}, rejected")
        if name not in KNOWN:
            raise KannelError(f"Unknown field {name[:32]}, rejected")
    receivers = tuple(_text(given, "to").split())
    if not receivers:
        raise KannelError("Empty receiver number not allowed, rejected")
    if len(receivers) > RECEIVERS_MAX:
        raise KannelError(f"Too many receivers, at most {RECEIVERS_MAX}, rejected")
    request: dict[str, Any] = _body(given)
    for name, field in (("from", "from"), ("smsc", "connector_id")):
        if value := _text(given, name):
            request[field] = value
    for name, field, most in (("priority", "priority_flag", 3), ("pid", "protocol_id", 255)):
        if (number := _number(given, name, most)) is not None:
            request[field] = number
    if minutes := _number(given, "validity", 10**6):
        request["validity_s"] = min(60 * minutes, VALIDITY_MAX_S)
    if minutes := _number(given, "deferred", 10**6):
        at = datetime.fromtimestamp(now_ms / 1000, UTC) + timedelta(minutes=minutes)
        request["send_at"] = at.isoformat(timespec="seconds")
    mask = _number(given, "dlr-mask", 255) or 0
    request["receipt"] = "all" if mask & _ALL_RECEIPTS else "final"
    return SendSms(receivers, request)


def _body(given: Mapping[str, bytes]) -> dict[str, Any]:
    coding = _number(given, "coding", 2)
    mclass = _number(given, "mclass", 3)
    octets, udh = given.get("text", b""), given.get("udh", b"")
    if coding == _EIGHT_BIT:
        body: dict[str, Any] = {"data": _base64(octets), "data_coding": 4 if mclass is None else 0xF4 | mclass}
        return body | ({"udh": _base64(udh)} if udh else {})
    try:
        text = octets.decode(_text(given, "charset") or "utf-8")
    except (LookupError, ValueError):
        raise KannelError("Charset or body misformed, rejected") from None
    if udh:
        return {"udh": _base64(udh)} | _octets_of(text, coding)
    return {"text": text, "encoding": "ucs2" if coding == _UCS2 else "auto"} | ({"flash": True} if mclass == 0 else {})


def _octets_of(text: str, coding: int | None) -> dict[str, Any]:
    """A text behind a header of the client's own is octets: we cut no such thing."""
    septets = None if coding == _UCS2 else alphabet(0, 0).encode(text)
    if septets is not None:
        return {"data": _base64(septets), "data_coding": 0}
    return {"data": _base64(text.encode("utf-16-be", "surrogatepass")), "data_coding": 8}


def _number(given: Mapping[str, bytes], name: str, most: int) -> int | None:
    text = _text(given, name)
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and int(text) <= most):
        raise KannelError(f"{name.capitalize()} field misformed, rejected")
    return int(text)


def _text(given: Mapping[str, bytes], name: str) -> str:
    try:
        return given.get(name, b"").decode("utf-8")
    except ValueError:
        raise KannelError(f"{name.capitalize()} field misformed, rejected") from None


def _base64(octets: bytes) -> str:
    return b64encode(octets).decode()


def told(problem: Problem) -> str:
    """A request that is wrong, in a sentence of Kannel's kind."""
    first = problem.errors[0]
    words = {
        "invalid_sender": "Sender missing and no global set, rejected",
        "invalid_destination": "Receiver number misformed, rejected",
        "lane_not_allowed": "Number(s) has/have been denied by white- and/or black-lists.",
        "kafka_unavailable": UNAVAILABLE,
    }
    return words.get(first.reason, f"{first.field or first.reason} misformed, rejected ({first.reason})")
