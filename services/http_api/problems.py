"""Pure: what the door says is wrong, as RFC 9457 problem details: reasons, HTTP status codes and bodies."""

from typing import Final, NamedTuple

import orjson

from schemas.reasons import REASONS

MEDIA_TYPE: Final = "application/problem+json"

STATUS_OF: Final[dict[str, int]] = {
    "missing_field": 400,
    "invalid_field": 400,
    "body_conflict": 400,
    "invalid_destination": 400,
    "invalid_sender": 400,
    "text_too_long": 400,
    "not_encodable": 400,
    "schedule_out_of_range": 400,
    "unsupported": 400,
    "invalid_json": 400,
    "invalid_request": 400,
    "unauthorized": 401,
    "account_mismatch": 403,
    "lane_not_allowed": 403,
    "not_found": 404,
    "not-visible-yet": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "idempotency_conflict": 409,
    "gone": 410,
    "too_large": 413,
    "unsupported_media_type": 415,
    "rate_limited": 429,
    "too_many_attempts": 429,
    "internal_error": 500,
    "kafka_unavailable": 503,
    "clickhouse_unavailable": 503,
}
"""Each reason has one status code."""

_OWN_WORDS: Final[dict[str, str]] = {
    "invalid_json": "The body is no JSON object.",
    "invalid_request": "This is no HTTP request.",
    "request_timeout": "The body has not come in time.",
    "unauthorized": "There is no key, or not the right one.",
    "account_mismatch": "The body names another account than the key's.",
    "not_found": "There is nothing here.",
    "not-visible-yet": "A message that is so young may not be visible yet.",
    "clickhouse_unavailable": "Messages cannot be read now; they can be sent.",
    "gone": "The stream cannot be taken up so far back.",
    "method_not_allowed": "This address has other methods.",
    "too_large": "The body is too large.",
    "unsupported_media_type": "The body is of another kind than this address takes.",
    "rate_limited": "The account has sent more than limits.tps in this second.",
    "too_many_attempts": "Too many wrong keys came from this address.",
    "internal_error": "A mistake of ours; it is in the log.",
    "kafka_unavailable": "Kafka has not acknowledged the request in time: it may or may not be there.",
}


class ToldReason(NamedTuple):
    """One thing that is wrong; `field` is empty where no field is to blame."""

    reason: str
    field: str = ""
    detail: str = ""


class Problem(NamedTuple):
    """What is answered in place of what was asked for. `errors`: every mistake, the first one first; at least one."""

    errors: tuple[ToldReason, ...]

    @property
    def status(self) -> int:
        return STATUS_OF[self.errors[0].reason]

    def body(self) -> bytes:
        first = self.errors[0]
        told = {
            "type": f"/problems/{first.reason}",
            "title": title(first.reason),
            "status": self.status,
            **_told(first),
        }
        if len(self.errors) > 1:
            told["errors"] = [_told(one) for one in self.errors]
        return orjson.dumps(told)


def problem(reason: str, field: str = "", detail: str = "") -> Problem:
    """A problem of one mistake."""
    return Problem((ToldReason(reason, field, detail),))


def title(reason: str) -> str:
    """The meaning of a reason, the same in every answer."""
    return _OWN_WORDS.get(reason) or REASONS[reason].replace("`", "")


def _told(mistake: ToldReason) -> dict[str, object]:
    told: dict[str, object] = {"reason": mistake.reason, "detail": mistake.detail or title(mistake.reason)}
    if mistake.field:
        told["field"] = mistake.field
    return told
