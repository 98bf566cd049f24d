"""Pure: Twilio's messages resource (API 2010-04-01) in the words of a request, and ours in Twilio's."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

from schemas.requests import is_destination, rfc3339_ms
from services.http_api.intake import shown
from services.http_api.problems import Problem

API: Final = "2010-04-01"
VALIDITY_MAX_S: Final = 36_000
DATES: Final = ("DateSent", "DateSent<", "DateSent>")
LIST_QUERY: Final = frozenset(("To", "From", "PageSize", "Page", "PageToken", *DATES))

_NOT_THERE: Final = ("MediaUrl", "ContentSid", "ContentVariables", "ApplicationSid", "SendAsMms")
_STATUSES: Final = {
    "accepted": "queued",
    "scheduled": "scheduled",
    "queued": "queued",
    "submitted": "sent",
    "delivered": "delivered",
    "partially_delivered": "undelivered",
    "undeliverable": "undelivered",
    "expired": "undelivered",
    "rejected": "failed",
    "cancelled": "canceled",
    "outcome_unknown": "sent",
    "receipt_missing": "sent",
}
"""Words of a status, and Twilio's for them. What nobody knows stays sent, as it does there."""
_ERROR_CODES: Final = {
    "opted_out": 21610,
    "invalid_destination": 21211,
    "invalid_sender": 21212,
    "text_too_long": 21617,
    "smsc_rejected": 30007,
    "validity_passed": 30036,
    "smsc_expired": 30003,
}
_ERROR_CODE_ELSE: Final = 30008
"""Unknown error."""

_MESSAGES: Final = {
    20001: "Bad request",
    20003: "Authenticate",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    20503: "Service unavailable",
    21211: "The 'To' number is not a valid phone number.",
    21212: "The 'From' number is not a valid phone number, shortcode, or alphanumeric sender ID.",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21609: "The 'StatusCallback' URL cannot be used: there are no callbacks yet.",
    21610: "Attempt to send to unsubscribed recipient",
    21617: "The concatenated message body exceeds the limit of segments.",
    35114: "'SendAt' is out of range.",
}


class TwilioError(Exception):
    """What is answered; `detail` in place of Twilio's own sentence."""

    def __init__(self, code: int, status: int = 400, detail: str = "") -> None:
        super().__init__(code)
        self.code: Final = code
        self.status: Final = status
        self.detail: Final = detail or _MESSAGES[code]

    def body(self) -> dict[str, Any]:
        more = f"https://www.twilio.com/docs/errors/{self.code}"
        return {"code": self.code, "message": self.detail, "more_info": more, "status": self.status}


def read_message(form: Mapping[str, str]) -> dict[str, Any]:
    """The request that a form asks for. Raises `TwilioError`. What changes nothing about the message is left out."""
    if absent := next((name for name in _NOT_THERE if name in form), None):
        raise TwilioError(20001, detail=f"{absent} is not supported")
    if form.get("StatusCallback"):
        raise TwilioError(21609)
    for name, code in (("To", 21604), ("Body", 21602)):
        if not form.get(name):
            raise TwilioError(code)
    if not is_destination(form["To"]):
        raise TwilioError(21211)
    request: dict[str, Any] = {"to": form["To"], "text": form["Body"], "receipt": "all"}
    if form.get("From"):
        request["from"] = form["From"]
    if form.get("SmartEncoded"):
        request["transliterate"] = form["SmartEncoded"].lower() == "true"
    return request | _times(form)


def _times(form: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if validity := form.get("ValidityPeriod"):
        if not (validity.isascii() and validity.isdecimal() and 1 <= int(validity[:9]) <= VALIDITY_MAX_S):
            raise TwilioError(20001, detail=f"ValidityPeriod is 1 to {VALIDITY_MAX_S} seconds")
        found["validity_s"] = int(validity)
    if send_at := form.get("SendAt"):
        if form.get("ScheduleType") != "fixed":
            raise TwilioError(20001, detail="SendAt needs ScheduleType=fixed")
        found["send_at"] = send_at
    return found


def error_of(problem: Problem) -> TwilioError:
    """A request that is wrong, in Twilio's numbers."""
    first = problem.errors[0]
    match first.reason:
        case "invalid_destination" | "text_too_long":
            return TwilioError(_ERROR_CODES[first.reason])
        case "invalid_sender":
            return TwilioError(21603 if "default_sender" in first.detail else 21212)
        case "schedule_out_of_range":
            return TwilioError(35114)
        case "rate_limited" | "too_many_attempts":
            return TwilioError(20429, 429)
        case "kafka_unavailable" | "clickhouse_unavailable":
            return TwilioError(20503, 503)
        case "not_found" | "not-visible-yet":
            return TwilioError(20404, 404)
    return TwilioError(20001, 403 if problem.status == 403 else 400, f"{first.field or 'request'}: {first.reason}")


def resource(account_sid: str, row: Mapping[str, Any], body: str | None = None) -> dict[str, Any]:
    """A row of `services.http_api.queries` as the resource of a message. Texts are not kept."""
    sid = f"SM{row['id'].replace('-', '')}"
    status = _STATUSES.get(row["status"], "queued")
    failed = status in ("failed", "undelivered")
    sent_ms = row["submitted_ms"]
    updated_ms = row["finished_ms"] or sent_ms or row["accepted_ms"]
    uri = f"/{API}/Accounts/{account_sid}/Messages/{sid}.json"
    return {
        "sid": sid,
        "account_sid": account_sid,
        "api_version": API,
        "body": body,
        "date_created": _date(row["accepted_ms"]),
        "date_sent": None if sent_ms is None else _date(sent_ms),
        "date_updated": _date(updated_ms),
        "direction": "outbound-api",
        "error_code": _ERROR_CODES.get(row["reason"], _ERROR_CODE_ELSE) if failed else None,
        "error_message": row["reason"] or status if failed else None,
        "from": shown(row["sender"]),
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": str(row["segments"]),
        "price": None,
        "price_unit": "USD",
        "status": status,
        "subresource_uris": {"media": f"{uri.removesuffix('.json')}/Media.json"},
        "to": shown(row["to"]),
        "uri": uri,
    }


def dates_of(query: Mapping[str, str]) -> dict[str, int]:
    """`since` and `until` (milliseconds) of the filters by date; days are whole. Raises `TwilioError`."""
    found: dict[str, int] = {}
    for name in DATES:
        if name not in query:
            continue
        begin_ms, end_ms = _span(query[name])
        if not name.endswith("<"):
            found["since"] = begin_ms
        if not name.endswith(">"):
            found["until"] = end_ms
    return found


def _span(text: str) -> tuple[int, int]:
    if (at_ms := rfc3339_ms(text)) is not None:
        return at_ms, at_ms + 1
    try:
        day = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        end = day + timedelta(days=1)
    except (ValueError, OverflowError):
        raise TwilioError(20001, detail="DateSent is a date, YYYY-MM-DD") from None
    begin_ms, end_ms = (int(one.timestamp() * 1000) for one in (day, end))
    return max(0, begin_ms), max(0, min(end_ms, 4_102_444_800_000))


def _date(at_ms: int) -> str:
    return format_datetime(datetime.fromtimestamp(at_ms // 1000, UTC))
