"""Pure: one request of an account to what is published, or to what is wrong with it: ingress's own rules, at once.

What depends on state (opt-outs, keys that were taken, routes) is ingress's to decide and is no mistake here.
"""

from typing import Any, Final, NamedTuple

import orjson

from schemas.gateway.accounts import Account
from schemas.requests import is_short_code, sender_as_sent
from schemas.topics import MT_REQUESTS, MT_REQUESTS_OTP
from schemas.wire import NIL_UUID
from services.http_api.known_keys import Claim
from services.http_api.problems import Problem, ToldReason, problem
from shared.kafka.records import Out
from shared.messages.admission import CHECKS, Admitted, Check, NotAnObject, Rejected, admit, mistakes_of, read_object
from shared.messages.country import CountryTable
from shared.messages.encodable import encoded
from shared.messages.idempotency import body_hash, key_hash
from shared.messages.request_key import home_key
from shared.messages.routing import Chosen, Destination, GatewayView
from shared.messages.terms import Terms, terms_of
from shared.sms.message import ConnectorProfile, Encoded, NotEncodable

_DEFAULT_PROFILE: Final = ConnectorProfile()


class Judged(NamedTuple):
    """A request that is right by form, and what it would become. `connector_id` is empty where no route has one in
    use; `route` counts from 1, 0: none, or the connector was named."""

    value: bytes
    request: Admitted
    terms: Terms
    connector_id: str
    route: int
    profile: ConnectorProfile
    made: Encoded


class Prepared(NamedTuple):
    """A request that may be published, and what the answer says of it. `claim`: where it has an idempotency key."""

    out: Out
    to: str
    sender: str
    lane: str
    encoding: str
    segments: int
    claim: Claim | None


class Rules(NamedTuple):
    """By what requests are judged: the running configuration, and the countries of numbers."""

    gateway: GatewayView
    countries: CountryTable


def prepare(
    body: bytes, account: Account, rules: Rules, at_ms: int, header_key: str | None = None
) -> Prepared | Problem:
    """`header_key`: of the header Idempotency-Key. `at_ms`: Kafka's time, by which `send_at` is judged."""
    judged = judge(body, account, rules, at_ms, header_key)
    return judged if isinstance(judged, Problem) else prepared_of(judged, account)


def prepared_of(judged: Judged, account: Account) -> Prepared:
    """What is published of a request that is right."""
    request = judged.request
    topic = MT_REQUESTS_OTP if request.lane == "otp" else MT_REQUESTS
    key, claim = None, None
    if request.idempotency_key is not None:
        key = home_key(account.id, request.idempotency_key)
        claim = Claim(topic, key_hash(account.id, request.idempotency_key), body_hash(request))
    return Prepared(
        Out(topic, key, judged.value),
        shown(request.to),
        shown(judged.terms.sender),
        request.lane,
        judged.made.alphabet,
        judged.made.air_segments,
        claim,
    )


def judge(body: bytes, account: Account, rules: Rules, at_ms: int, header_key: str | None = None) -> Judged | Problem:
    """One body; see `prepare`."""
    read = read_object(body)
    if isinstance(read, NotAnObject):
        return problem("invalid_json", "", read.error)
    written, checks = read
    return judge_object(written, checks, account, rules, at_ms, header_key)


def judge_object(
    written: dict[str, Any],
    checks: dict[str, Check],
    account: Account,
    rules: Rules,
    at_ms: int,
    header_key: str | None = None,
) -> Judged | Problem:
    """One object that was read; `checks` are those that came with it."""
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
    return _judged(value, admitted, account, rules, at_ms)


def _judged(value: bytes, request: Admitted, account: Account, rules: Rules, at_ms: int) -> Judged | Problem:
    if is_short_code(request.to) and not account.short_codes:
        return problem("invalid_destination", "to", f"{request.to} is a short code, and the account has no short_codes")
    if request.sender is None and not account.default_sender:
        return problem("invalid_sender", "from", "the account has no default_sender")
    if account.limits.lanes is not None and request.lane not in account.limits.lanes:
        return problem("lane_not_allowed", "lane", f"the account may use: {', '.join(account.limits.lanes)}")
    connector_id, route = _connector_of(request, account, rules, at_ms)
    profile = rules.gateway.profile(connector_id) if connector_id else _DEFAULT_PROFILE
    terms = terms_of(request, account, connector_id, False)
    made = encoded(request, terms, profile)
    if isinstance(made, NotEncodable):
        return problem(made.reason, made.field, made.detail)
    return Judged(value, request, terms, connector_id, route, profile, made)


def _connector_of(request: Admitted, account: Account, rules: Rules, at_ms: int) -> tuple[str, int]:
    """A connector that the message may go to, for its alphabet and segments, and the number of the route. Which one of
    a route's it will be hangs on the message's id, which Kafka's acknowledgement decides.
    """
    country = "" if is_short_code(request.to) else rules.countries.of(request.to)
    sender = request.sender or sender_as_sent(account.default_sender or "")
    where = Destination(request.to, country, sender, at_ms)
    gateway = rules.gateway
    if request.connector_id is not None:
        chosen = gateway.choose(where, account.id, request.lane, NIL_UUID, request.connector_id)
        return (chosen.connector_id, 0) if isinstance(chosen, Chosen) else ("", 0)
    usable = gateway.candidates(where, account.id, request.lane)
    number = gateway.route(where, account.id, request.lane) if usable else None
    return (usable[0], (number or 0) + 1) if usable else ("", 0)


def shown(number: str) -> str:
    """A number as answers show it: E.164 with its plus sign; short codes and names as they are."""
    return f"+{number}" if number.isdecimal() and not is_short_code(number) else number
