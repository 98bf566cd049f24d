"""Pure: one request of an account to what is published, or to what is wrong with it: ingress's own rules, at once.

What depends on state (opt-outs, keys that were taken, routes) is ingress's to decide and is no mistake here.
"""

from typing import Any, Final, NamedTuple

import orjson

from schemas.gateway.accounts import Account
from schemas.requests import is_short_code
from schemas.topics import MT_REQUESTS, MT_REQUESTS_OTP
from services.http_api.problems import Problem, ToldReason, problem
from shared.kafka.records import Out
from shared.messages.admission import CHECKS, Admitted, NotAnObject, Rejected, admit, mistakes_of, read_object
from shared.messages.encodable import encoded
from shared.messages.request_key import home_key
from shared.messages.routing import Chosen, GatewayView
from shared.messages.terms import terms_of
from shared.sms.message import ConnectorProfile, NotEncodable

_DEFAULT_PROFILE: Final = ConnectorProfile()


class Prepared(NamedTuple):
    """A request that may be published, and what the answer says of it."""

    out: Out
    to: str
    sender: str
    lane: str
    encoding: str
    segments: int


def prepare(
    body: bytes, account: Account, view: GatewayView, at_ms: int, header_key: str | None = None
) -> Prepared | Problem:
    """`header_key`: of the header Idempotency-Key. `at_ms`: Kafka's time, by which `send_at` is judged."""
    read = read_object(body)
    if isinstance(read, NotAnObject):
        return problem("invalid_json", "", read.error)
    written, checks = read
    if written.get("account_id") not in (None, account.id):
        return problem("account_mismatch", "account_id")
    request: dict[str, Any] = {name: value for name, value in written.items() if name in CHECKS and value is not None}
    request["account_id"] = account.id
    if header_key is not None:
        if request.get("idempotency_key", header_key) != header_key:
            return problem("invalid_field", "idempotency_key", "the header Idempotency-Key says another key")
        request["idempotency_key"] = header_key
    if found := mistakes_of(request, checks, at_ms):
        return Problem(tuple(ToldReason(reason, field) for reason, field in found))
    value = orjson.dumps(request)
    admitted = admit(value, at_ms, "txn")
    if not isinstance(admitted, Admitted):
        return problem(*admitted[:2]) if isinstance(admitted, Rejected) else problem("invalid_json")
    return _judged(value, admitted, account, view)


def _judged(value: bytes, request: Admitted, account: Account, view: GatewayView) -> Prepared | Problem:
    if is_short_code(request.to) and not account.short_codes:
        return problem("invalid_destination", "to", f"{request.to} is a short code, and the account has no short_codes")
    if request.sender is None and not account.default_sender:
        return problem("invalid_sender", "from", "the account has no default_sender")
    chosen = view.choose(request.to, account.id, request.lane, request.connector_id)
    connector_id = chosen.connector_id if isinstance(chosen, Chosen) else ""
    profile = view.profile(connector_id) if connector_id else _DEFAULT_PROFILE
    terms = terms_of(request, account, connector_id, False)
    made = encoded(request, terms, profile)
    if isinstance(made, NotEncodable):
        return problem(made.reason, made.field, made.detail)
    topic = MT_REQUESTS_OTP if request.lane == "otp" else MT_REQUESTS
    key = None if request.idempotency_key is None else home_key(account.id, request.idempotency_key)
    return Prepared(
        Out(topic, key, value),
        shown(request.to),
        shown(terms.sender),
        request.lane,
        made.alphabet,
        made.air_segments,
    )


def shown(number: str) -> str:
    """A number as answers show it: E.164 with its plus sign; short codes and names as they are."""
    return f"+{number}" if number.isdecimal() and not is_short_code(number) else number
