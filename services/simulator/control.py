"""Edge: HTTP on the loopback, to make things happen in a running simulator and to look at it; off by default.

A thread takes the requests and hands each to the event loop, so the simulator itself stays single-threaded.
"""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import orjson

from services.simulator.account import SimulatedAccount
from services.simulator.control_requests import Disconnect, SendMo, read_request
from services.simulator.server import Simulator
from shared.process.http_guard import guard_of_environment
from shared.smpp.constants import status_name

LOOPBACK = "127.0.0.1"
BODY_OCTETS_MAX = 100_000
POLL_S = 0.5
ANSWER_WITHIN_S = 10.0

ControlAnswer = tuple[HTTPStatus, dict[str, Any]]


def respond(simulator: Simulator, method: str, path: str, body: bytes) -> ControlAnswer:
    """What one request does, and the JSON that it answers; called in the event loop."""
    match method, path:
        case "GET", "/stats":
            return HTTPStatus.OK, {name: stats(account) for name, account in simulator.accounts.items()}
        case "POST", "/mo":
            return _with_account(simulator, SendMo, body, _send_mo)
        case "POST", "/disconnect":
            return _with_account(simulator, Disconnect, body, _disconnect)
        case _:
            return HTTPStatus.NOT_FOUND, {"error": "there are GET /stats, POST /mo and POST /disconnect"}


def stats(account: SimulatedAccount) -> dict[str, Any]:
    """The counts of one system_id."""
    counts = account.counts
    return {
        "accepted": counts.accepted,
        "unanswered": counts.unanswered,
        "refused": {status_name(status): count for status, count in counts.refused.items()},
        "receipts_sent": counts.receipts_sent,
        "receipts_acknowledged": counts.receipts_acknowledged,
        "mo_sent": counts.mo_sent,
        "mo_acknowledged": counts.mo_acknowledged,
        "redelivered": counts.redelivered,
        "given_up": counts.given_up,
        "queued": len(account.queue),
        "binds": len(account.links),
        "binds_refused": {status_name(status): count for status, count in counts.binds_refused.items()},
    }


def _with_account(
    simulator: Simulator, model: Any, body: bytes, act: Callable[[Simulator, SimulatedAccount, Any], ControlAnswer]
) -> ControlAnswer:
    request = read_request(model, body)
    if isinstance(request, str):
        return HTTPStatus.BAD_REQUEST, {"error": request}
    account = simulator.account(request.system_id)
    if account is None:
        return HTTPStatus.NOT_FOUND, {"error": f"the scenario has no account for {request.system_id!r}"}
    return act(simulator, account, request)


def _send_mo(simulator: Simulator, account: SimulatedAccount, request: SendMo) -> ControlAnswer:
    bodies = request.bodies(simulator.next_number())
    if isinstance(bodies, str):
        return HTTPStatus.BAD_REQUEST, {"error": bodies}
    simulator.send_mo(account, bodies)
    return HTTPStatus.OK, {"segments": len(bodies), "queued": len(account.queue)}


def _disconnect(simulator: Simulator, account: SimulatedAccount, request: Disconnect) -> ControlAnswer:
    return HTTPStatus.OK, {"system_id": request.system_id, "binds_cut": simulator.disconnect(account)}


class _QuietControlHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is the library's
        """Requests are the caller's business."""


class ControlServer:
    """Made in the event loop of the simulator. Raises OSError when the port is taken."""

    def __init__(self, simulator: Simulator, port: int) -> None:
        self._simulator = simulator
        self._guard = guard_of_environment()
        self._loop = asyncio.get_running_loop()
        self._server: WSGIServer = make_server(LOOPBACK, port, self._application, handler_class=_QuietControlHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_S,), daemon=True, name="control")
        self._thread.start()

    @property
    def port(self) -> int:
        """The real one when 0 was asked for."""
        return int(self._server.server_port)

    async def stop(self) -> None:
        """Answer what is being asked, and listen no more."""
        await asyncio.to_thread(self._server.shutdown)
        self._server.server_close()

    def _application(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        status, answer = self._ask(environ)
        start_response(f"{status.value} {status.phrase}", [("Content-Type", "application/json")])
        return [orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE)]

    def _ask(self, environ: dict[str, Any]) -> ControlAnswer:
        asked = [environ.get(name) for name in ("HTTP_HOST", "HTTP_ORIGIN", "HTTP_SEC_FETCH_SITE")]
        if why := self._guard.refusal(*asked):
            return HTTPStatus.FORBIDDEN, {"error": why}
        try:
            length = int(environ.get("CONTENT_LENGTH") or 0)
        except ValueError:
            return HTTPStatus.BAD_REQUEST, {"error": "Content-Length is no number"}
        if not 0 <= length <= BODY_OCTETS_MAX:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": f"at most {BODY_OCTETS_MAX} octets"}
        body = environ["wsgi.input"].read(length) if length else b""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        answered: concurrent.futures.Future[ControlAnswer] = concurrent.futures.Future()

        def in_loop() -> None:
            try:
                answered.set_result(respond(self._simulator, method, path, body))
            except Exception as error:
                answered.set_exception(error)

        self._loop.call_soon_threadsafe(in_loop)
        try:
            return answered.result(ANSWER_WITHIN_S)
        except Exception as error:
            return HTTPStatus.INTERNAL_SERVER_ERROR, {"error": f"{type(error).__name__}: {error}"}
