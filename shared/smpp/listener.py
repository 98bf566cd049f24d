"""Edge: the listening side: accepts connections, gives each a session, ends them all."""

import asyncio
import ssl
from collections.abc import Callable

from shared.smpp.events import Closed, Event
from shared.smpp.server_session import SmscSession
from shared.smpp.transport import UNANSWERED_HIGH, Connection, MakeSession

CONNECTIONS_MAX = 1000
HANDSHAKE_TIMEOUT_S = 10.0

OnEvents = Callable[[Connection[SmscSession], list[Event]], None]


class Listener:
    """A running server; `port` is the real one when 0 was asked for. Made by `serve`."""

    def __init__(self, make_session: MakeSession[SmscSession], on_events: OnEvents, connections_max: int) -> None:
        self.connections: set[Connection[SmscSession]] = set()
        self.port = 0
        self._make_session = make_session
        self._on_events = on_events
        self._connections_max = connections_max
        self._server: asyncio.Server | None = None

    def _accept(self, unanswered_high: int) -> asyncio.Protocol:
        if len(self.connections) >= self._connections_max:
            return _Refused()
        return _Accepted(self.connections, self._make_session, self._forward, unanswered_high)

    def _forward(self, connection: Connection[SmscSession], events: list[Event]) -> None:
        if isinstance(events[-1], Closed):
            self.connections.discard(connection)
        self._on_events(connection, events)

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None, unanswered_high: int) -> None:
        """Begin to listen. Raises OSError when the address is taken or not ours."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: self._accept(unanswered_high),
            host,
            port,
            ssl=tls,
            ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S if tls is not None else None,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self, *, unbind: bool = False) -> None:
        """Stop listening and end every connection: cut, or after an unbind of ours; returns when all are gone."""
        if self._server is not None:
            self._server.close()
        connections = list(self.connections)
        for connection in connections:
            if unbind:
                connection.handle(connection.session.unbind(connection.now()))
            else:
                connection.abort()
        for connection in connections:
            await connection.wait_closed()
        if self._server is not None:
            await self._server.wait_closed()


class _Accepted(Connection[SmscSession]):
    """Counts from the moment it can talk: a failed TLS handshake never calls `connection_made`, nor anything after."""

    def __init__(
        self,
        connections: set[Connection[SmscSession]],
        make_session: MakeSession[SmscSession],
        on_events: OnEvents,
        unanswered_high: int,
    ) -> None:
        super().__init__(make_session, on_events, unanswered_high=unanswered_high)
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connections.add(self)
        super().connection_made(transport)


class _Refused(asyncio.Protocol):
    """Above connections_max: closed before a word."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


async def serve(
    make_session: MakeSession[SmscSession],
    host: str,
    port: int,
    on_events: OnEvents,
    *,
    tls: ssl.SSLContext | None = None,
    connections_max: int = CONNECTIONS_MAX,
    unanswered_high: int = UNANSWERED_HIGH,
) -> Listener:
    """Listen on host:port (0: any free port). `on_events` as in `transport.Connection`.

    Raises OSError when the address is taken or not ours.
    """
    listener = Listener(make_session, on_events, connections_max)
    await listener.start(host, port, tls, unanswered_high)
    return listener
