"""Edge: the addresses of the HTTP door, as FastAPI routes them and describes them in OpenAPI."""

import logging
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol
from uuid import uuid4

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.gateway.accounts import Account
from services.http_api.authentication import Failures, KeyRing, client_of
from services.http_api.intake import Rules, prepare
from services.http_api.models import PROBLEM_CODES, AcceptedMessage, ProblemDetails, request_schema
from services.http_api.problems import MEDIA_TYPE, Problem, problem
from services.http_api.publisher import KafkaHasIt, NotAcknowledged
from services.http_api.settings import ApiSettings
from shared.kafka.records import Out
from shared.process.clock import monotonic_s, now_ms

log = logging.getLogger(__name__)

MESSAGE_OCTETS_MAX: Final = 65_536
IDEMPOTENCY_KEY_MAX: Final = 128
REQUEST_ID_MAX: Final = 128
_JSON: Final = b"application/json"


class DoorView(NamedTuple):
    """What one configuration means to the door."""

    keys: KeyRing
    rules: Rules


class Publishes(Protocol):
    """Where requests go."""

    async def publish(self, out: Out) -> KafkaHasIt:
        """Returns when Kafka has it. Raises `NotAcknowledged`."""


class _Refused(Exception):
    """Ends a request with a problem."""

    def __init__(self, told: Problem, headers: dict[str, str] | None = None) -> None:
        super().__init__()
        self.told = told
        self.headers = headers or {}


class _PlainRoute(APIRoute):
    """A route whose endpoint takes the request as it is: bodies are read and checked by the rules of ingress, and not a
    second time by a model. FastAPI's own injection costs more than all the rest of a request."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Callable[[Request], Awaitable[Response]] = self.endpoint

        async def handle(request: Request) -> Response:
            try:
                return await endpoint(request)
            except _Refused as refused:
                return _problem_response(refused.told, refused.headers)

        return handle


class Door:
    """The endpoints. `view` says the running configuration."""

    def __init__(self, settings: ApiSettings, view: Callable[[], DoorView], publisher: Publishes) -> None:
        self._settings = settings
        self._view = view
        self._publisher = publisher
        self._failures = Failures()

    async def send(self, request: Request) -> Response:
        """Publish one message."""
        view = self._view()
        account = self._account(request, view)
        _require_json(request)
        body = await _body(request, MESSAGE_OCTETS_MAX)
        prepared = prepare(body, account, view.rules, now_ms(), _idempotency_key(request))
        if isinstance(prepared, Problem):
            raise _Refused(prepared)
        try:
            published = await self._publisher.publish(prepared.out)
        except NotAcknowledged:
            raise _Refused(problem("kafka_unavailable")) from None
        answer = {
            "message_id": published.message_id,
            "status": "accepted",
            "to": prepared.to,
            "from": prepared.sender,
            "lane": prepared.lane,
            "encoding": prepared.encoding,
            "segments": prepared.segments,
            "accepted_at": rfc3339(published.accepted_at_ms),
        }
        location = {"location": f"/v1/messages/{published.message_id}"}
        return Response(orjson.dumps(answer), 202, location, "application/json")

    def _account(self, request: Request, view: DoorView) -> Account:
        """Whose key it is. A right one is served whatever came before it from its address."""
        account = view.keys.account_of(request.headers.get("authorization"))
        if account is not None:
            return account
        peer = request.client.host if request.client else ""
        address = client_of(peer, request.headers.get("x-forwarded-for", ""), self._settings.trusted)
        wait_s = self._failures.failed(address, monotonic_s())
        if wait_s > 0:
            raise _Refused(problem("too_many_attempts"), {"retry-after": str(round(wait_s + 0.5))})
        raise _Refused(problem("unauthorized"), {"www-authenticate": 'Bearer realm="smsgw", Basic realm="smsgw"'})


def _require_json(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" or request.headers.get("content-encoding", "identity") != "identity":
        raise _Refused(problem("unsupported_media_type", "", "application/json is taken here, not compressed"))


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= IDEMPOTENCY_KEY_MAX:
        raise _Refused(problem("invalid_field", "idempotency_key", "the header has 1-128 characters"))
    return key


async def _body(request: Request, octets_max: int) -> bytes:
    """The body; no more of it is read than may be there."""
    body = b""
    async for part in request.stream():
        body = body + part if body else part
        if len(body) > octets_max:
            raise _Refused(problem("too_large", "", f"at most {octets_max} octets"), {"connection": "close"})
    return body


def _problem_response(told: Problem, headers: dict[str, str] | None = None) -> Response:
    return Response(told.body(), told.status, headers, MEDIA_TYPE)


def rfc3339(at_ms: int) -> str:
    """A time in UTC with milliseconds."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class RequestIds:
    """Every answer names its request: by the id that came with it, or a new one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        good = 0 < len(given) <= REQUEST_ID_MAX and all(0x20 <= octet < 0x7F for octet in given)
        request_id = given if good else uuid4().hex.encode()

        async def with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        await self._app(scope, receive, with_id)


def make_app(door: Door) -> ASGIApp:
    """The whole HTTP API."""
    app = FastAPI(title="SMS gateway", version="1", openapi_url="/openapi.json", docs_url=None, redoc_url=None)
    problems: dict[int | str, dict[str, Any]] = {
        code: {"model": ProblemDetails, "content": {MEDIA_TYPE: {}}, "description": "A problem"}
        for code in PROBLEM_CODES
    }
    app.router.add_api_route(
        "/v1/messages",
        door.send,
        methods=["POST"],
        status_code=202,
        response_model=AcceptedMessage,
        responses=problems,
        route_class_override=_PlainRoute,
        openapi_extra={
            "requestBody": {"required": True, "content": {_JSON.decode(): {"schema": request_schema()}}},
            "security": [{"bearer": []}, {"basic": []}],
        },
    )
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _mistake_of_ours)
    return RequestIds(app)


async def _http_error(request: Request, error: Exception) -> Response:
    """What the router itself refuses."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return _problem_response(problem("method_not_allowed" if status == 405 else "not_found"), headers)


async def _mistake_of_ours(request: Request, error: Exception) -> Response:
    log.error("a mistake of ours at %s", request.scope.get("path"), exc_info=error)
    return _problem_response(problem("internal_error"))
