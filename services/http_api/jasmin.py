"""Pure: Jasmin's HTTP API (/send, /rate) in the words of a request, and Jasmin's words for what is wrong.

Arguments are octets, as they came in the query or the form: with a `coding` other than 0 `content` is octets.
"""

from base64 import b64encode
from binascii import unhexlify
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from schemas.requests import VALIDITY_MAX_S
from services.http_api.problems import Problem
from shared.smpp import smpp_time

KNOWN: Final = frozenset(
    (
        "username",
        "password",
        "to",
        "from",
        "content",
        "hex-content",
        "coding",
        "priority",
        "sdt",
        "validity-period",
        "dlr",
        "dlr-url",
        "dlr-level",
        "dlr-method",
        "tags",
    )
)
MANDATORY: Final = ("to", "username", "password")
NO_CALLBACKS: Final = "there are no callbacks yet"
_UCS2: Final = 8
_LATIN1: Final = 3


class JasminError(Exception):
    """What is answered: `Error "..."` with this status."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status: Final = status


def read_send(given: Mapping[str, bytes], now_ms: int) -> dict[str, Any]:
    """The request. Raises `JasminError`."""
    for name in given:
        if name not in KNOWN:
            raise JasminError(400, f"Argument [{name[:32]}] is unknown.")
    for name in MANDATORY:
        if not given.get(name):
            raise JasminError(400, f"Mandatory argument [{name}] is not found.")
    if "content" not in given and "hex-content" not in given:
        raise JasminError(400, "content or hex-content not present.")
    request: dict[str, Any] = {"to": _text(given, "to")} | _body(given)
    if sender := _text(given, "from"):
        request["from"] = sender
    if (priority := _number(given, "priority", 3)) is not None:
        request["priority_flag"] = priority
    if minutes := _number(given, "validity-period", 10**6):
        request["validity_s"] = min(60 * minutes, VALIDITY_MAX_S)
    if sdt := _text(given, "sdt"):
        at_ms = smpp_time.parse(sdt, now_ms)
        if at_ms is None:
            raise _invalid(given, "sdt")
        request["send_at"] = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    if tags := _text(given, "tags"):
        request["metadata"] = {"tags": tags}
    return request | _receipt(given)


def _receipt(given: Mapping[str, bytes]) -> dict[str, Any]:
    wish = _text(given, "dlr") or "no"
    if wish not in ("yes", "no"):
        raise _invalid(given, "dlr")
    level = _number(given, "dlr-level", 3)
    if level == 0:
        raise _invalid(given, "dlr-level")
    if _text(given, "dlr-method").upper() not in ("", "GET", "POST"):
        raise _invalid(given, "dlr-method")
    if wish == "yes" or "dlr-url" in given:
        raise JasminError(400, f"Argument [dlr] has an invalid value: [{wish}]: {NO_CALLBACKS}.")
    return {"receipt": "final"}


def _body(given: Mapping[str, bytes]) -> dict[str, Any]:
    coding = _number(given, "coding", 255) or 0
    if "hex-content" in given:
        try:
            octets = unhexlify(given["hex-content"])
        except ValueError:
            raise _invalid(given, "hex-content") from None
    elif coding == 0:
        return {"text": _text(given, "content")}
    else:
        octets = given["content"]
    return _text_of(octets, coding) or {"data": b64encode(octets).decode(), "data_coding": coding}


def _text_of(octets: bytes, coding: int) -> dict[str, Any] | None:
    """Octets that are a text: it can be cut where characters end. None for others."""
    if coding == _LATIN1:
        return {"text": octets.decode("latin-1"), "encoding": "latin1"}
    if coding == _UCS2 and len(octets) % 2 == 0:
        try:
            return {"text": octets.decode("utf-16-be"), "encoding": "ucs2"}
        except ValueError:
            return None
    return None


def _number(given: Mapping[str, bytes], name: str, most: int) -> int | None:
    text = _text(given, name)
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and int(text) <= most):
        raise _invalid(given, name)
    return int(text)


def _text(given: Mapping[str, bytes], name: str) -> str:
    try:
        return given.get(name, b"").decode("utf-8")
    except ValueError:
        raise _invalid(given, name) from None


def _invalid(given: Mapping[str, bytes], name: str) -> JasminError:
    shown = given.get(name, b"")[:64].decode("utf-8", "replace")
    return JasminError(400, f"Argument [{name}] has an invalid value: [{shown}].")


def error_of(problem: Problem) -> JasminError:
    """A request that is wrong, as Jasmin would say it."""
    first = problem.errors[0]
    names = {"text": "content", "data": "content", "priority_flag": "priority", "validity_s": "validity-period"}
    names |= {"send_at": "sdt"}
    if first.reason == "kafka_unavailable":
        return JasminError(500, "Cannot send submit_sm, check SMPPClientManagerPB log file for details")
    if first.reason in ("lane_not_allowed", "account_mismatch"):
        return JasminError(400, "Authorization failed for user")
    if first.reason == "rate_limited":
        return JasminError(403, "User throughput exceeded")
    return JasminError(400, f"Argument [{names.get(first.field, first.field)}] has an invalid value: {first.reason}.")
