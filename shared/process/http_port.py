"""Edge: a small HTTP port of ours, by uvicorn: an ASGI application behind it, and clients that may be of any manner.

Who connects has 10 s to ask, and again after every answer; then the connection is closed, so that clients which are
idle or never finish a request take nothing away. Nobody asking costs nothing.
"""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from shared.process.http_guard import HttpGuard

ASK_WITHIN_S: Final = 10.0
GRACE_S: Final = 1
BACKLOG: Final = 256


def listen_on(host: str, port: int) -> socket.socket:
    """Raises OSError and OverflowError where that cannot be; `host` empty = all addresses of this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


class HttpPort:
    """Serves `application` (ASGI 3) on `listener`, in the loop in which `serve` is called."""

    def __init__(self, application: Any, listener: socket.socket, ask_within_s: float = ASK_WITHIN_S) -> None:
        config = uvicorn.Config(
            application,
            http=partial(_Connection, ask_within_s),  # type: ignore[arg-type]  # it is called, no more
            interface="asgi3",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            date_header=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        self._listener: Final = listener
        self._server: Final = _Server(config)

    async def serve(self) -> None:
        """Returns after `stop`, when what is being answered has been, or after a second. The listener is closed."""
        await self._server.serve(sockets=[self._listener])

    def stop(self) -> None:
        """Listen no more. To be called in the loop that serves."""
        self._server.stopping.set()


class _Server(uvicorn.Server):
    """uvicorn without its ten ticks a second, and without its signals: they are the program's."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stopping: Final = asyncio.Event()

    async def main_loop(self) -> None:
        await self.stopping.wait()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class _Connection(H11Protocol):
    """uvicorn's connection, which is patient only with who has had an answer before."""

    def __init__(self, ask_within_s: float, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._ask_within_s: Final = ask_within_s
        self._over: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self._wait()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def _wait(self) -> None:
        """Until the next answer is given, or the connection is closed: whoever does not read one is as idle."""
        self._wait_no_more()
        self._over = self.loop.call_later(self._ask_within_s, self.transport.abort)

    def _wait_no_more(self) -> None:
        if self._over is not None:
            self._over.cancel()
            self._over = None


def headers_of(scope: dict[str, Any]) -> dict[str, str]:
    """The headers of a request; names in lower case."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def refusal_of(guard: HttpGuard, headers: dict[str, str]) -> str:
    """Why a page's request is not answered (403); empty when it is."""
    return guard.refusal(*map(headers.get, ("host", "origin", "sec-fetch-site")))


async def answer(send: Any, status: int, content_type: bytes, body: bytes) -> None:
    """One whole answer of an ASGI application."""
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
