"""Edge: HTTP on the loopback, to make things happen in a running simulator and to look at it; off by default."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import orjson

from services.simulator.account import SimulatedAccount
from services.simulator.control_requests import Disconnect, SendMo, read_request
from services.simulator.server import Simulator
from shared.process.http_guard import guard_of_environment
from shared.process.http_port import HttpPort, answer, headers_of, listen_on, refusal_of
from shared.smpp.constants import status_name

LOOPBACK = "127.0.0.1"
BODY_OCTETS_MAX = 100_000

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


class ControlServer:
    """Made in the event loop of the simulator, and served in it. Raises OSError when the port is taken."""

    def __init__(self, simulator: Simulator, port: int) -> None:
        self._simulator = simulator
        self._guard = guard_of_environment()
        self._listener = listen_on(LOOPBACK, port)
        self.port = int(self._listener.getsockname()[1])
        """The real one when 0 was asked for."""
        self._http = HttpPort(self._application, self._listener)
        self._serving = asyncio.create_task(self._http.serve(), name="control")

    async def stop(self) -> None:
        """Answer what is being asked, and listen no more."""
        self._http.stop()
        await self._serving
        self._listener.close()

    async def _application(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        status, said = await self._ask(scope, receive)
        await answer(send, status.value, b"application/json", orjson.dumps(said, option=orjson.OPT_APPEND_NEWLINE))

    async def _ask(self, scope: dict[str, Any], receive: Any) -> ControlAnswer:
        if why := refusal_of(self._guard, headers_of(scope)):
            return HTTPStatus.FORBIDDEN, {"error": why}
        body = await _body_of(receive)
        if body is None:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": f"at most {BODY_OCTETS_MAX} octets"}
        try:
            return respond(self._simulator, scope["method"], scope["path"], body)
        except Exception as error:
            return HTTPStatus.INTERNAL_SERVER_ERROR, {"error": f"{type(error).__name__}: {error}"}


async def _body_of(receive: Any) -> bytes | None:
    """The body of a request; None for one that is too large."""
    body = bytearray()
    while True:
        event = await receive()
        body += event.get("body", b"")
        if len(body) > BODY_OCTETS_MAX:
            return None
        if not event.get("more_body", False):
            return bytes(body)
