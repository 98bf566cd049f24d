"""Edge: the addresses of the HTTP door, as FastAPI routes them and describes them in OpenAPI."""

import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, NamedTuple
from uuid import uuid4

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.http_api.access import ApiRequest, Declined, DoorView, Gatekeeper, problem_response, query_of
from services.http_api.docs_page import page
from services.http_api.models import ProblemDetails
from services.http_api.problems import MEDIA_TYPE, problem
from shared.process.clock import monotonic_s
from shared.process.metrics import HTTP_ANSWERS, HTTP_SECONDS

log = logging.getLogger(__name__)

REQUEST_ID_MAX: Final = 128
_COMMON_CODES: Final = (400, 401, 429)
"""What any address may answer: its query, the key, and too many wrong ones."""


class Parameter(NamedTuple):
    """Of a query."""

    name: str
    meaning: str
    schema: dict[str, Any]


class Call(NamedTuple):
    """One method of one address. `answers`: by code, with the document or its media types; `codes`: of its problems,
    besides those that every call may have; `body`: media types and their schemas."""

    method: str
    path: str
    endpoint: Callable[[ApiRequest], Awaitable[Response]]
    summary: str
    answers: dict[int, type[BaseModel] | dict[str, Any] | None]
    codes: tuple[int, ...] = ()
    body: dict[str, dict[str, Any]] | None = None
    query: tuple[Parameter, ...] = ()
    query_prefix: str = "\n"
    """Of parameters that may have any name behind it."""


class OtherCall(NamedTuple):
    """An address in another's language: not in the description, and with its own way of knowing an account."""

    methods: tuple[str, ...]
    path: str
    endpoint: Callable[[Request], Awaitable[Response]]


class _PlainRoute(APIRoute):
    """A route whose endpoint takes the request as it is: bodies are read and checked by the rules of ingress, and not a
    second time by a model. FastAPI's own injection costs more than all the rest of a request."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint


class _Described(FastAPI):
    """Its description says what keys are, too."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        schemes = {name: {"type": "http", "scheme": name} for name in ("bearer", "basic")}
        document.setdefault("components", {})["securitySchemes"] = schemes
        return document


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


def make_app(
    gate: Gatekeeper,
    view: Callable[[], DoorView],
    calls: Sequence[Call],
    others: Sequence[OtherCall] = (),
    origins: Sequence[str] = (),
) -> ASGIApp:
    """The whole HTTP API. `view` says the running configuration; pages of `origins` may ask from a browser."""
    app = _Described(title="SMS gateway", version="1", openapi_url="/openapi.json", docs_url=None, redoc_url=None)
    for call in calls:
        _add(app, call, _handler(gate, view, call))
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _mistake_of_ours)
    for other in others:
        app.add_route(other.path, other.endpoint, list(other.methods))
    app.add_route("/docs", _docs(app), ["GET"])
    return RequestIds(_for_browsers(app, origins) if origins else app)


def _for_browsers(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    asked = ("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "X-Request-Id")
    told = ("Location", "Retry-After", "X-Request-Id")
    methods = ("GET", "POST", "PUT", "PATCH", "DELETE")
    return CORSMiddleware(
        app, allow_origins=origins, allow_methods=methods, allow_headers=asked, expose_headers=told, max_age=3600
    )


def _docs(app: FastAPI) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    """The description for people: without scripts, and nothing is fetched from elsewhere."""
    policy = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}

    async def docs(_: Request) -> Response:
        return HTMLResponse(page(app.openapi()), headers=policy)

    return docs


def _handler(
    gate: Gatekeeper, view: Callable[[], DoorView], call: Call
) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    """No endpoint is reached without a key, nor with a query that it does not know."""
    names = frozenset(parameter.name for parameter in call.query)

    def is_known(name: str) -> bool:
        return name in names or name.startswith(call.query_prefix)

    seconds = HTTP_SECONDS.labels(f"{call.method} {call.path}")

    async def answer(request: Request) -> Response:
        try:
            now = view()
            account = gate.account(request, now.keys)
            return await call.endpoint(ApiRequest(request, account, now.rules, query_of(request, is_known)))
        except Declined as declined:
            return declined.response()
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is told

    async def handle(request: Request) -> Response:
        began_s = monotonic_s()
        answered = await answer(request)
        seconds.observe(monotonic_s() - began_s)
        HTTP_ANSWERS.labels(call.method, call.path, str(answered.status_code)).inc()
        return answered

    return handle


def _add(app: FastAPI, call: Call, handler: Callable[[Request], Coroutine[Any, Any, Response]]) -> None:
    problems: dict[int | str, dict[str, Any]] = {
        code: {"model": ProblemDetails, "content": {MEDIA_TYPE: {}}, "description": "A problem"}
        for code in sorted({*_COMMON_CODES, *call.codes})
    }
    answers: dict[int | str, dict[str, Any]] = {
        code: {"description": call.summary}
        | ({"content": told} if isinstance(told, dict) else {} if told is None else {"model": told})
        for code, told in call.answers.items()
    }
    first = next(iter(call.answers))
    extra: dict[str, Any] = {"security": [{"bearer": []}, {"basic": []}], "parameters": _parameters(call)}
    if call.body is not None:
        content = {media: {"schema": schema} for media, schema in call.body.items()}
        extra["requestBody"] = {"required": True, "content": content}
    app.router.add_api_route(
        call.path,
        handler,
        methods=[call.method],
        status_code=first,
        summary=call.summary,
        operation_id=f"{call.method.lower()}{call.path.replace('/', '_').translate(_NO_BRACES)}",
        response_class=Response,
        responses=answers | problems,
        route_class_override=_PlainRoute,
        openapi_extra=extra,
    )


_NO_BRACES: Final = str.maketrans("", "", "{}")


def _parameters(call: Call) -> list[dict[str, Any]]:
    in_path = [part[1:-1] for part in call.path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in in_path] + [
        {"name": p.name, "in": "query", "required": False, "description": p.meaning, "schema": p.schema}
        for p in call.query
    ]


async def _http_error(request: Request, error: Exception) -> Response:
    """What the router itself refuses."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return problem_response(problem("method_not_allowed" if status == 405 else "not_found"), headers)


async def _mistake_of_ours(request: Request, error: Exception) -> Response:
    log.error("a mistake of ours at %s", request.scope.get("path"), exc_info=error)
    return problem_response(problem("internal_error"))
