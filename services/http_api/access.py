"""Edge: who asks, what of a request is looked at before its body, and how a refusal is answered."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request
from starlette.responses import Response

from schemas.gateway.accounts import Account
from services.http_api.authentication import Failures, KeyRing, client_of
from services.http_api.intake import Rules
from services.http_api.problems import MEDIA_TYPE, Problem, problem
from services.http_api.settings import ApiSettings
from shared.process.clock import monotonic_s

MESSAGE_OCTETS_MAX: Final = 65_536
BODY_WITHIN_S: Final = 30.0
IDEMPOTENCY_KEY_MAX: Final = 128
QUERY_FIELDS_MAX: Final = 100


class Declined(Exception):
    """Ends a request with a problem."""

    def __init__(self, told: Problem, headers: dict[str, str] | None = None) -> None:
        super().__init__()
        self.told = told
        self.headers = headers or {}

    def response(self) -> Response:
        return problem_response(self.told, self.headers)


class DoorView(NamedTuple):
    """What one configuration means to the door."""

    keys: KeyRing
    rules: Rules


class ApiRequest(NamedTuple):
    """A request whose account is known, and its query, in which nothing is that its address does not know."""

    request: Request
    account: Account
    rules: Rules
    query: dict[str, str]


class Gatekeeper:
    """Knows accounts by their keys, and slows down who guesses."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings: Final = settings
        self._failures: Final = Failures()

    def account(self, request: Request, keys: KeyRing) -> Account:
        """Whose key it is. A right one is served whatever came before it from its address. Raises `Declined`."""
        account = keys.account_of(request.headers.get("authorization"))
        if account is not None:
            return account
        wait_s = self.failed(request)
        if wait_s > 0:
            raise Declined(problem("too_many_attempts"), {"retry-after": str(round(wait_s + 0.5))})
        raise Declined(problem("unauthorized"), {"www-authenticate": 'Bearer realm="smsgw", Basic realm="smsgw"'})

    def failed(self, request: Request) -> float:
        """A wrong key came. Returns for how many seconds those of its address are not looked at; 0 when they are."""
        peer = request.client.host if request.client else ""
        address = client_of(peer, request.headers.get("x-forwarded-for", ""), self._settings.trusted)
        return self._failures.failed(address, monotonic_s())


def media_type(request: Request) -> str:
    """What the body is said to be, without its parameters. Raises `Declined` where it is compressed."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Declined(problem("unsupported_media_type", "", "compressed bodies are not taken"))
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def require_json(request: Request) -> None:
    """Raises `Declined`."""
    if media_type(request) != "application/json":
        raise Declined(problem("unsupported_media_type", "", "application/json is taken here"))


def idempotency_key(request: Request) -> str | None:
    """The header Idempotency-Key. Raises `Declined`."""
    key = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= IDEMPOTENCY_KEY_MAX:
        raise Declined(problem("invalid_field", "idempotency_key", "the header has 1-128 characters"))
    return key


def query_of(request: Request, is_known: Callable[[str], bool]) -> dict[str, str]:
    """The query. Raises `Declined` for names that are not known, and for one that is there twice: a mistyped filter
    must not return everything."""
    if not (text := request.scope["query_string"]):
        return {}
    try:
        pairs = parse_qsl(text.decode("ascii"), True, errors="strict", max_num_fields=QUERY_FIELDS_MAX)
    except ValueError:
        raise Declined(problem("invalid_field", "query", "the query cannot be read")) from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if not is_known(name):
            raise Declined(problem("invalid_field", name[:64], "this address has no such parameter"))
        if name in found:
            raise Declined(problem("invalid_field", name, "the parameter is there twice"))
        found[name] = value
    return found


async def body_of(request: Request, octets_max: int) -> bytes:
    """The body; no more of it is read than may be there. Raises `Declined`."""
    too_large = Declined(problem("too_large", "", f"at most {octets_max} octets"))
    if int(request.headers.get("content-length") or 0) > octets_max:
        raise too_large
    parts: list[bytes] = []
    octets = 0
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for part in request.stream():
                octets += len(part)
                if octets > octets_max:
                    raise too_large
                parts.append(part)
    except TimeoutError:
        raise Declined(problem("request_timeout")) from None
    return b"".join(parts)


def problem_response(told: Problem, headers: dict[str, str] | None = None) -> Response:
    return Response(told.body(), told.status, headers, MEDIA_TYPE)


def json_response(answer: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(answer), status, headers, "application/json")


def rfc3339(at_ms: int) -> str:
    """A time in UTC with milliseconds."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
