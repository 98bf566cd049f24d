"""Edge: the ASGI application of the embedded ClickHouse: who is asked, who may ask, and what becomes of errors."""

import logging
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from shared.local.clickhouse.answers import HttpAnswer, common_headers, error_answer
from shared.local.clickhouse.engine import Engine
from shared.local.clickhouse.errors import ClickHouseError, EngineError
from shared.local.clickhouse.exchange import ClientGoneError, Exchange, Receive, Send
from shared.local.clickhouse.execution import Execution
from shared.local.clickhouse.requests import HttpAccount, authenticate, parse_request
from shared.local.clickhouse.sessions import Sessions
from shared.process.http_guard import guard_of_environment

Scope = dict[str, Any]

log = logging.getLogger(__name__)

_THREADS = 16
_HEALTH_PATHS = frozenset({"/ping", "/replicas_status"})
_REFUSED = ((b"content-type", b"text/plain; charset=UTF-8"), (b"x-content-type-options", b"nosniff"))
_METHODS = frozenset({"GET", "HEAD", "POST"})


class App:
    """The embedded ClickHouse as an ASGI application."""

    def __init__(self, engine: Engine, account: HttpAccount) -> None:
        """Serve an open engine to one account; the engine is closed when the server stops."""
        self._engine = engine
        self._account = account
        self._guard = guard_of_environment()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="chdb")
        self._sessions = Sessions(engine, self._pool, time.monotonic)
        self._execution = Execution(engine, self._sessions, self._pool)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what ASGI brings: the lifespan of the server, or one HTTP request."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            exchange = Exchange(receive, send)
            answer = await self._http(scope, exchange)
            if answer is not None:
                await exchange.send_answer(answer)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        message = {"type": ""}
        while message["type"] != "lifespan.shutdown":
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self._sessions.close()
                self._pool.shutdown()
                self._engine.close()
            await send({"type": message["type"] + ".complete"})

    async def _http(self, scope: Scope, exchange: Exchange) -> HttpAnswer | None:
        """Return what is to be answered; None when there is nobody or nothing more to answer."""
        if scope["path"] in _HEALTH_PATHS:
            return HttpAnswer(200, [], b"Ok.\n")
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        asked = [headers.get(name) for name in ("host", "origin", "sec-fetch-site")]
        if why := self._guard.refusal(*asked):
            return HttpAnswer(403, list(_REFUSED), why.encode() + b"\n")
        if scope["path"] != "/" or scope["method"] not in _METHODS:
            return HttpAnswer(404, [], b"There is nothing here: GET or POST / takes statements, /ping answers.\n")
        query_string = scope["query_string"].decode("latin-1")
        query_id = str(uuid.uuid4())
        try:
            authenticate(self._account, query_string, headers)
            request = parse_request(scope["method"], query_string, headers, query_id)
            query_id = request.query_id
            return await self._execution.run(request, exchange)
        except ClientGoneError:
            return None
        except ClickHouseError as error:
            return error_answer(error, common_headers(query_id, self._engine.timezone))
        except Exception as error:  # a bug of ours: the client gets a sentence, the log the trace
            log.exception("request %s failed", query_id)
            return error_answer(EngineError(repr(error)), common_headers(query_id, self._engine.timezone))
