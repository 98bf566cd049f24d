"""Edge: connections that cost more than they are worth: heads and bodies that never end, idle ones beyond a number, and
clients that do not read. uvicorn's own protocol has a time limit for none of these but the pause between two requests.
"""

import asyncio
from collections import OrderedDict
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.http_api.problems import MEDIA_TYPE, problem
from shared.process.metrics import HTTP_CONNECTIONS

HEAD_WITHIN_S: Final = 10.0
HEAD_OCTETS_MAX: Final = 65_536
LINGER_S: Final = 10.0
"""For how long the rest of a body is read, and dropped, that was answered before it had come: whoever is still sending
does not look for an answer."""
STALL_S: Final = 60.0
"""A client that has neither sent nor read anything for so long, while we have something for it, is gone."""


class Connections:
    """Those that are open, the one that was last heard of last."""

    def __init__(self, limit: int) -> None:
        self._limit: Final = limit
        self._open: Final[OrderedDict[DoorProtocol, None]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def opened(self, one: "DoorProtocol") -> None:
        """Beyond the limit the connection that was idle longest is closed; where none is idle, the new one."""
        self._open[one] = None
        HTTP_CONNECTIONS.set(len(self._open))
        if len(self._open) > self._limit:
            victim = next((other for other in self._open if other.idle), one)
            self._open.pop(victim)
            victim.drop()

    def heard(self, one: "DoorProtocol") -> None:
        if one in self._open:
            self._open.move_to_end(one)

    def closed(self, one: "DoorProtocol") -> None:
        self._open.pop(one, None)
        HTTP_CONNECTIONS.set(len(self._open))


class DoorConfig(uvicorn.Config):
    """uvicorn's, and the connections that its protocols share."""

    def __init__(self, connections: Connections, app: ASGIApp, **options: Any) -> None:
        self.connections_open: Final = connections
        super().__init__(app, http=DoorProtocol, **options)


class DoorProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, config: DoorConfig, **options: Any) -> None:
        super().__init__(config=config, **options)
        self._all: Final = config.connections_open
        self._in_head = True
        self._head_octets = 0
        self._timers: Final[dict[str, asyncio.TimerHandle]] = {}
        self._heard_s = 0.0

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def drop(self) -> None:
        """At once, whatever is on its way."""
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._within("head", HEAD_WITHIN_S)
        self._all.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.closed(self)
        for name in list(self._timers):
            self._over(name)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._heard_s = self.loop.time()
        self._all.heard(self)
        if self._in_head:
            self._head_octets += len(data)
        super().data_received(data)
        if self._in_head and self._head_octets > HEAD_OCTETS_MAX and not self.transport.is_closing():
            self._refuse_head()

    def on_message_begin(self) -> None:
        self._in_head = True
        if "head" not in self._timers:
            self._within("head", HEAD_WITHIN_S)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head, self._head_octets = False, 0
        self._over("head")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._over("rest")
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if self.cycle is not None and self.cycle.more_body and self.cycle.response_complete:
            self._within("rest", LINGER_S)
        super().on_response_complete()

    def pause_writing(self) -> None:
        self._within("reader", STALL_S)
        super().pause_writing()

    def resume_writing(self) -> None:
        self._over("reader")
        super().resume_writing()

    def _within(self, name: str, seconds: float) -> None:
        self._over(name)
        self._timers[name] = self.loop.call_later(seconds, self._late, name)

    def _over(self, name: str) -> None:
        if (timer := self._timers.pop(name, None)) is not None:
            timer.cancel()

    def _late(self, name: str) -> None:
        self._timers.pop(name, None)
        quiet_s = self.loop.time() - self._heard_s
        if name == "reader" and quiet_s < STALL_S:  # it is still sending: it reads when it has sent everything
            self._within(name, STALL_S - quiet_s)
        elif not self.transport.is_closing():
            self.transport.abort()

    def _refuse_head(self) -> None:
        told = problem("too_large", "", f"a head has at most {HEAD_OCTETS_MAX} octets")
        self._answer_and_close(told.status, told.body())

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP."""
        told = problem("invalid_request", "", msg)
        self._answer_and_close(told.status, told.body())

    def _answer_and_close(self, status: int, body: bytes) -> None:
        head = (
            f"HTTP/1.1 {status} Bad Request\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
