"""Edge: asyncio around a sans-IO session: octets in, octets out, one timer.

A `Connection` is an asyncio.Protocol, so a chunk of the socket becomes one list of events and everything that follows
from it becomes one write, however many PDUs that is. After calling into `connection.session` yourself, call
`connection.wake()`: what was queued in the same turn of the event loop goes out in one system call.

Back-pressure: reading stops while more than `unanswered_high` of the peer's requests wait for the owner, and while the
owner asks for it. It never stops because the peer does not read: two sides that do this to each other stand still for
ever. Instead the owner makes no more requests while `congested` (`on_writable` says when it may again), and a peer that
goes on asking without reading its answers is cut at `UNSENT_MAX`. Nothing here grows beyond those limits and the
session's window.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any, Generic, Literal, TypeAlias, TypeVar, cast

from shared.smpp.errors import ConnectFailed
from shared.smpp.events import Closed, Event
from shared.smpp.session import EsmeSession
from shared.smpp.session_core import SessionCore
from shared.smpp.tls import ClientTls, client_context, pin_matches

SessionT = TypeVar("SessionT", bound=SessionCore[Any])
MakeSession: TypeAlias = Callable[[float], SessionT]
"""Builds the session of a new connection; gets the time."""

PauseReason: TypeAlias = Literal["unanswered", "owner"]

UNANSWERED_HIGH = 1000
UNSENT_MAX = 4 << 20
"""Octets written to a socket that takes none; more, and the connection is cut."""

CLOSE_FLUSH_S = 2.0
"""How long the last octets (an unbind_resp) may take to leave before the connection is cut."""

KEEPALIVE_IDLE_S = 60
KEEPALIVE_INTERVAL_S = 10
KEEPALIVE_PROBES = 3

_log = logging.getLogger(__name__)


class Connection(asyncio.Protocol, Generic[SessionT]):
    """One socket with its session.

    on_events: called in the event loop with every list of events, in order, until the one that ends with `Closed`. It
    may call into the session and need not call `wake`. If it raises, that is logged and the connection is cut.
    on_writable: called when the socket takes octets again after it was `congested`.
    """

    def __init__(
        self,
        make_session: MakeSession[SessionT],
        on_events: Callable[["Connection[SessionT]", list[Event]], None],
        *,
        unanswered_high: int = UNANSWERED_HIGH,
        on_writable: Callable[[], None] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.session = make_session(self._loop.time())
        self._on_events = on_events
        self._on_writable = on_writable
        self._unanswered_high = unanswered_high
        self._unanswered_low = unanswered_high // 2
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wake_handle: asyncio.Handle | None = None
        self._paused_for: set[PauseReason] = set()
        self._congested_octets: int | None = None
        self._still_allowed: Callable[[], bool] | None = None
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self.peer = "?"

    # ------------------------------------------------------------------------------------------------- for the owner

    def now(self) -> float:
        """The time to call the session with."""
        return self._loop.time()

    @property
    def congested(self) -> bool:
        """Whether the socket takes no octets just now; what is written all the same waits in memory."""
        return self._congested_octets is not None

    def wake(self, still_allowed: Callable[[], bool] | None = None) -> None:
        """Send what the session has, at the end of this turn of the event loop, and look at its deadline again.

        `still_allowed` is asked right before the system call; if it says no, the connection is cut and nothing is sent:
        for requests that this process may have no right to make any more, because it was stopped in the meantime. Of
        several in one turn the first is asked: it is about what has waited longest.
        """
        if self._still_allowed is None:
            self._still_allowed = still_allowed
        if self._wake_handle is None:
            self._wake_handle = self._loop.call_soon(self._pump)

    def handle(self, events: list[Event]) -> None:
        """Take the events that a call like `session.unbind` returned through the usual way, and `wake`."""
        self._deliver(events)
        self.wake()

    def pause_reading(self) -> None:
        """Stop reading the socket until `resume_reading`; idempotent. The session's timers go on."""
        self._pause("owner")

    def resume_reading(self) -> None:
        """Undo `pause_reading`."""
        self._resume("owner")

    def abort(self) -> None:
        """Cut the connection; `Closed` follows."""
        if self._transport is not None:
            self._transport.abort()

    async def wait_closed(self) -> None:
        """Return when the socket is gone (and `Closed` has been reported)."""
        await asyncio.shield(self._closed)

    # ------------------------------------------------------------------------------------------------ asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not inherit from asyncio's
        peer = transport.get_extra_info("peername")
        self.peer = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else str(peer)
        keep_tcp_alive(transport.get_extra_info("socket"))
        self._arm()

    def data_received(self, data: bytes) -> None:
        events = self.session.receive_data(data, self._loop.time())
        if events:
            self._deliver(events)
        self._pump()

    def pause_writing(self) -> None:
        self._congested_octets = 0

    def resume_writing(self) -> None:
        self._congested_octets = None
        if self._on_writable is not None:
            self._on_writable()
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        for handle in (self._timer, self._wake_handle):
            if handle is not None:
                handle.cancel()
        self._transport = None
        self._deliver(self.session.connection_lost(self._loop.time()))
        if not self._closed.done():
            self._closed.set_result(None)

    # -------------------------------------------------------------------------------------------------------- pumping

    def _deliver(self, events: list[Event]) -> None:
        if not events:
            return
        try:
            self._on_events(self, events)
        except Exception:
            _log.exception("smpp %s: the owner of the connection failed; cutting it", self.peer)
            self.abort()
        if self._transport is not None and isinstance(events[-1], Closed):
            self._write()
            self._transport.close()
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_later(CLOSE_FLUSH_S, self.abort)

    def _pump(self) -> None:
        self._wake_handle = None
        if self._transport is None or self._transport.is_closing():
            return
        self._write()
        unanswered = self.session.unanswered
        if unanswered > self._unanswered_high:
            self._pause("unanswered")
        elif unanswered <= self._unanswered_low:
            self._resume("unanswered")
        self._arm()

    def _write(self) -> None:
        still_allowed, self._still_allowed = self._still_allowed, None
        if self._transport is None or not (data := self.session.data_to_send()):
            return
        if still_allowed is not None and not still_allowed():
            _log.error("smpp %s: was stopped before it could send; cutting the connection", self.peer)
            self.abort()
            return
        if self._congested_octets is not None:
            self._congested_octets += len(data)
            if self._congested_octets > UNSENT_MAX:
                _log.warning("smpp %s: does not read what it is sent; cutting the connection", self.peer)
                self.abort()
                return
        self._transport.write(data)

    def _arm(self) -> None:
        """Keep one timer. A deadline that has moved away (every PDU does that) is found out when the timer fires."""
        deadline = self.session.next_deadline()
        if deadline is None:
            return
        if self._timer is not None:
            if self._timer.when() <= deadline:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(max(deadline, self._loop.time()), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._deliver(self.session.handle_timer(self._loop.time()))
        self._pump()

    def _pause(self, reason: PauseReason) -> None:
        if not self._paused_for and self._transport is not None:
            with contextlib.suppress(RuntimeError):  # already closing
                self._transport.pause_reading()
        self._paused_for.add(reason)

    def _resume(self, reason: PauseReason) -> None:
        if reason not in self._paused_for:
            return
        self._paused_for.discard(reason)
        if not self._paused_for and self._transport is not None:
            with contextlib.suppress(RuntimeError):
                self._transport.resume_reading()


def keep_tcp_alive(sock: socket.socket | None) -> None:
    """Let the kernel notice a peer that vanished, also while a session is not bound; what a system lacks is skipped."""
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    wanted = {
        "TCP_KEEPIDLE": KEEPALIVE_IDLE_S,
        "TCP_KEEPINTVL": KEEPALIVE_INTERVAL_S,
        "TCP_KEEPCNT": KEEPALIVE_PROBES,
    }
    for name, number in wanted.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), number)


async def connect_client(
    make_session: MakeSession[EsmeSession],
    host: str,
    port: int,
    on_events: Callable[[Connection[EsmeSession], list[Event]], None],
    *,
    tls: ClientTls | None = None,
    timeout_s: float = 10.0,
    local_host: str | None = None,
    unanswered_high: int = UNANSWERED_HIGH,
    on_writable: Callable[[], None] | None = None,
) -> Connection[EsmeSession]:
    """Connect, with TLS checked to the end; the session is OPEN and has said nothing: call `bind` and `wake`.

    local_host: the address to connect from, where an SMSC has an allow list (Q52).
    Raises ConnectFailed with a sentence; nothing stays open then.
    """
    loop = asyncio.get_running_loop()
    try:
        context = client_context(tls) if tls is not None else None
        async with asyncio.timeout(timeout_s):
            transport, connection = await loop.create_connection(
                lambda: Connection(make_session, on_events, unanswered_high=unanswered_high, on_writable=on_writable),
                host,
                port,
                ssl=context,
                server_hostname=(tls.server_name or host) if tls is not None else None,
                local_addr=(local_host, 0) if local_host is not None else None,
            )
    except ssl.SSLError as error:
        raise ConnectFailed(f"{host}:{port}: TLS: {error}") from error
    except TimeoutError as error:
        raise ConnectFailed(f"{host}:{port}: no connection within {timeout_s:g} s") from error
    except OSError as error:
        raise ConnectFailed(f"{host}:{port}: {error.strerror or error}") from error
    except ValueError as error:  # a name that cannot be one (UnicodeError), NUL in a name or a path
        raise ConnectFailed(f"{host}:{port}: {error}") from error
    if tls is not None and tls.pins and not pin_matches(transport.get_extra_info("ssl_object"), tls.pins):
        transport.abort()
        raise ConnectFailed(f"{host}:{port}: TLS: the certificate is none of the pinned ones")
    return connection
