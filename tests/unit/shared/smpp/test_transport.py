"""Transport and listener over real sockets on loopback."""

import asyncio
import contextlib
import logging
import select
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from shared.smpp import pdu, transport
from shared.smpp.codec import encode_body
from shared.smpp.config import EsmeConfig, SmscConfig
from shared.smpp.errors import ConnectFailed
from shared.smpp.events import (
    BindRequested,
    Bound,
    Closed,
    DeliverReceived,
    Event,
    LinkDead,
    SubmitAnswered,
    SubmitReceived,
    SubmitUnknown,
)
from shared.smpp.listener import Listener, serve
from shared.smpp.server_session import SmscSession
from shared.smpp.session import EsmeSession
from shared.smpp.transport import (
    KEEPALIVE_IDLE_S,
    KEEPALIVE_INTERVAL_S,
    KEEPALIVE_PROBES,
    Connection,
    connect_client,
    keep_tcp_alive,
)

HELLO = pdu.SubmitSm(destination_addr="447700900123", short_message=b"hello")
RECEIPT = pdu.DeliverSm(esm_class=4, short_message=b"id:1 stat:DELIVRD")


class Smsc:
    """Accepts every bind, answers every submit_sm unless `mute`, and remembers its connections."""

    def __init__(self) -> None:
        self.listener: Listener
        self.connections: list[Connection[SmscSession]] = []
        self.submits = 0
        self.mute = False
        self.closed = asyncio.Event()

    def on_events(self, connection: Connection[SmscSession], events: list[Event]) -> None:
        for event in events:
            match event:
                case BindRequested():
                    self.connections.append(connection)
                    connection.session.accept_bind(connection.now())
                case SubmitReceived(sequence_number):
                    self.submits += 1
                    if not self.mute:
                        connection.session.answer_submit(sequence_number, 0, f"{sequence_number}")
                case Closed():
                    self.closed.set()
                case _:
                    pass


class Esme:
    """Binds and puts every event into a queue."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.connection: Connection[EsmeSession]

    def on_events(self, connection: Connection[EsmeSession], events: list[Event]) -> None:
        for event in events:
            self.events.put_nowait(event)

    async def next(self) -> Event:
        return await asyncio.wait_for(self.events.get(), 5)

    async def bind(self, port: int, **config: Any) -> None:
        settings = EsmeConfig(system_id="shop", password="secret", **config)
        self.connection = await connect_client(
            lambda now: EsmeSession(settings, now=now), "127.0.0.1", port, self.on_events, timeout_s=5
        )
        self.connection.session.bind(self.connection.now())
        self.connection.wake()
        assert isinstance(await self.next(), Bound)


@asynccontextmanager
async def smsc(**options: Any) -> AsyncIterator[Smsc]:
    server = Smsc()
    server.listener = await serve(
        lambda now: SmscSession(SmscConfig(system_id="SMSC"), now=now), "127.0.0.1", 0, server.on_events, **options
    )
    try:
        yield server
    finally:
        await server.listener.close()


async def test_bind_submit_deliver_unbind_over_tcp() -> None:
    async with smsc() as server:
        esme = Esme()
        await esme.bind(server.listener.port)
        connection = esme.connection
        for token in range(5):
            assert connection.session.submit(token, HELLO, connection.now())
        connection.wake()
        answers = [await esme.next() for _ in range(5)]
        assert [answer.token for answer in answers if isinstance(answer, SubmitAnswered)] == [0, 1, 2, 3, 4]
        server.connections[0].session.deliver("d", RECEIPT, server.connections[0].now())
        server.connections[0].wake()
        delivered = await esme.next()
        assert isinstance(delivered, DeliverReceived)
        connection.session.answer_deliver(delivered.sequence_number)
        connection.handle(connection.session.unbind(connection.now()))
        assert await esme.next() == Closed("unbound")
        await connection.wait_closed()
        await asyncio.wait_for(server.closed.wait(), 5)
        assert not server.listener.connections


async def test_many_pdus_leave_in_one_write() -> None:
    async with smsc() as server:
        esme = Esme()
        await esme.bind(server.listener.port, window_size=50)
        writes: list[int] = []
        assert esme.connection._transport is not None
        transport: asyncio.Transport = esme.connection._transport

        class Counting:
            def write(self, data: bytes) -> None:
                writes.append(len(data))
                transport.write(data)

            def __getattr__(self, name: str) -> Any:
                return getattr(transport, name)

        esme.connection._transport = Counting()  # type: ignore[assignment] # stands in for the transport
        for token in range(50):
            esme.connection.session.submit(token, HELLO, esme.connection.now())
            esme.connection.wake()
        for _ in range(50):
            assert isinstance(await esme.next(), SubmitAnswered)
        assert len(writes) == 1


async def test_what_may_not_be_sent_any_more_is_not_and_the_connection_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    """The process was stopped between the question whether it may and the system call."""
    async with smsc() as server:
        esme = Esme()
        await esme.bind(server.listener.port)
        allowed = True
        esme.connection.session.submit("a", HELLO, esme.connection.now())
        esme.connection.wake(lambda: allowed)
        esme.connection.wake(lambda: True)
        allowed = False
        assert await esme.next() == SubmitUnknown("a", "connection_lost")
        assert await esme.next() == Closed("connection_lost")
        await asyncio.wait_for(server.closed.wait(), 5)
        assert server.submits == 0
    assert "was stopped before it could send" in caplog.text


async def test_the_question_is_asked_once() -> None:
    async with smsc() as server:
        esme = Esme()
        await esme.bind(server.listener.port)
        allowed = True
        esme.connection.session.submit("a", HELLO, esme.connection.now())
        esme.connection.wake(lambda: allowed)
        assert isinstance(await esme.next(), SubmitAnswered)
        allowed = False
        esme.connection.session.submit("b", HELLO, esme.connection.now())
        esme.connection.wake()
        assert isinstance(await esme.next(), SubmitAnswered)
        assert server.submits == 2


def test_what_is_pumped_is_with_the_kernel_at_once() -> None:
    """On uvloop, as the services run: were it kept until the end of the turn, a process stopped before would send it
    when it wakes, without a question.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_is_with_the_kernel_at_once())


async def _is_with_the_kernel_at_once() -> None:
    theirs = socket.create_server(("127.0.0.1", 0))
    theirs.setblocking(False)
    connection = await connect_client(
        lambda now: EsmeSession(EsmeConfig(system_id="shop", password="secret"), now=now),
        "127.0.0.1",
        theirs.getsockname()[1],
        lambda _connection, _events: None,
    )
    peer, _ = await asyncio.get_running_loop().sock_accept(theirs)
    with contextlib.closing(theirs), contextlib.closing(peer):
        connection.session.bind(connection.now())
        connection._pump()
        select.select([peer], [], [], 5)  # it holds up the loop, whose turn does not end
        assert peer.recv(4096, socket.MSG_PEEK)[4:8] == bytes.fromhex("00000009")
        connection.abort()
        await connection.wait_closed()


async def test_a_lost_connection_ends_the_tokens() -> None:
    async with smsc() as server:
        server.mute = True
        esme = Esme()
        await esme.bind(server.listener.port)
        esme.connection.session.submit("a", HELLO, esme.connection.now())
        esme.connection.wake()
        server.connections[0].abort()
        assert await esme.next() == SubmitUnknown("a", "connection_lost")
        assert await esme.next() == Closed("connection_lost")


async def test_the_timer_gives_a_silent_peer_up() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(16)
        bind_resp = "00000011 80000009 00000000 00000001 00"
        writer.write(bytes.fromhex(bind_resp))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    try:
        esme = Esme()
        times = {"enquire_link_s": 0.05, "enquire_link_timeout_s": 0.02}
        await esme.bind(server.sockets[0].getsockname()[1], **times)
        assert await esme.next() == LinkDead("enquire_link_unanswered")
        assert await esme.next() == Closed("link_dead")
        await esme.connection.wait_closed()
    finally:
        server.close()
        await server.wait_closed()


async def test_reading_stops_while_the_owner_is_behind_and_goes_on_after() -> None:
    async with smsc(unanswered_high=10) as server:
        server.mute = True
        esme = Esme()
        await esme.bind(server.listener.port, window_size=1000)
        theirs = server.connections[0]
        seen_paused = asyncio.Event()
        pause = theirs._pause

        def noticing(reason: Any) -> None:
            pause(reason)
            seen_paused.set()

        theirs._pause = noticing  # type: ignore[method-assign] # to await the pause instead of sleeping
        for _ in range(3):
            for token in range(200):
                esme.connection.session.submit(token, HELLO, esme.connection.now())
            esme.connection.wake()
            await asyncio.sleep(0)
        await asyncio.wait_for(seen_paused.wait(), 5)
        while server.submits < 600:
            first = list(theirs.session._unanswered)
            for sequence_number in first:
                theirs.session.answer_submit(sequence_number, 0, "x")
            theirs.wake()
            for _ in first:
                assert isinstance(await esme.next(), SubmitAnswered)
        assert server.submits == 600


async def test_reading_can_be_paused_by_the_owner() -> None:
    async with smsc() as server:
        esme = Esme()
        await esme.bind(server.listener.port)
        theirs = server.connections[0]
        theirs.pause_reading()
        theirs.pause_reading()
        esme.connection.session.submit("a", HELLO, esme.connection.now())
        esme.connection.wake()
        for _ in range(20):
            await asyncio.sleep(0)
        assert server.submits == 0
        theirs.resume_reading()
        assert isinstance(await esme.next(), SubmitAnswered)


def shrink_buffers(*connections: Connection[Any]) -> None:
    for connection in connections:
        assert connection._transport is not None
        sock = connection._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32_768)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)


async def test_two_sides_that_write_more_than_the_buffers_hold_do_not_wait_for_each_other() -> None:
    many, long = 4000, bytes(250)
    async with smsc() as server:
        esme = Esme()
        await esme.bind(server.listener.port, window_size=many)
        ours, theirs = esme.connection, server.connections[0]
        shrink_buffers(ours, theirs)
        theirs.session.resize_window(many)
        for token in range(many):
            assert ours.session.submit(token, pdu.SubmitSm(short_message=long), ours.now())
            assert theirs.session.deliver(token, pdu.DeliverSm(short_message=long), theirs.now())
        ours.wake()
        theirs.wake()
        submitted = delivered = 0
        while submitted < many or delivered < many:
            event = await esme.next()
            if isinstance(event, DeliverReceived):
                assert ours.session.answer_deliver(event.sequence_number)
                ours.wake()
                delivered += 1
            else:
                assert isinstance(event, SubmitAnswered)
                submitted += 1
        assert not ours.congested


async def test_congestion_is_told_and_its_end_too() -> None:
    writable = asyncio.Event()
    async with smsc() as server:
        connection = await connect_client(
            lambda now: EsmeSession(EsmeConfig(window_size=5000), now=now),
            "127.0.0.1",
            server.listener.port,
            lambda c, e: None,
            on_writable=writable.set,
        )
        connection.session.bind(connection.now())
        connection.wake()
        while not server.connections:
            await asyncio.sleep(0)
        shrink_buffers(connection, server.connections[0])
        server.connections[0].pause_reading()
        while not connection.session.is_bound:
            await asyncio.sleep(0)
        for token in range(5000):
            connection.session.submit(token, pdu.SubmitSm(short_message=bytes(250)), connection.now())
        connection.wake()
        while not connection.congested:
            await asyncio.sleep(0)
        server.connections[0].resume_reading()
        await asyncio.wait_for(writable.wait(), 5)
        connection.abort()
        await connection.wait_closed()


async def test_a_peer_that_asks_without_reading_its_answers_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "UNSENT_MAX", 50_000)
    async with smsc() as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.listener.port, limit=1)
        writer.write(encode_body(pdu.BindTransceiver("x"), 1))
        while not server.connections:
            await asyncio.sleep(0.001)
        theirs = server.connections[0]
        shrink_buffers(theirs)
        asking = encode_body(pdu.EnquireLink(), 1) * 10_000
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(20):
                while not server.closed.is_set():
                    writer.write(asking)
                    await writer.drain()
        assert server.closed.is_set()
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_failing_owner_loses_its_connection_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    async with smsc() as server:
        esme = Esme()
        await esme.bind(server.listener.port)
        forward = server.on_events

        def failing(connection: Connection[SmscSession], events: list[Event]) -> None:
            if any(isinstance(event, SubmitReceived) for event in events):
                raise RuntimeError("a bug of the owner")
            forward(connection, events)

        server.connections[0]._on_events = failing
        esme.connection.session.submit("a", HELLO, esme.connection.now())
        esme.connection.wake()
        with caplog.at_level(logging.ERROR):
            assert await esme.next() == SubmitUnknown("a", "connection_lost")
        assert "cutting it" in caplog.text
        again = Esme()
        await again.bind(server.listener.port)
        again.connection.abort()


async def test_connections_above_the_limit_are_closed() -> None:
    async with smsc(connections_max=1) as server:
        esme = Esme()
        await esme.bind(server.listener.port)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.listener.port)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        await writer.wait_closed()


async def test_the_listener_may_leave_politely() -> None:
    async with smsc() as server:
        esme = Esme()
        await esme.bind(server.listener.port)
        await asyncio.wait_for(server.listener.close(unbind=True), 5)
        assert [type(await esme.next()).__name__ for _ in range(2)] == ["PeerUnbound", "Closed"]


async def test_a_refused_connection_is_a_sentence() -> None:
    listener = await serve(
        lambda now: SmscSession(SmscConfig(), now=now), "127.0.0.1", 0, lambda connection, events: None
    )
    port = listener.port
    await listener.close()
    with pytest.raises(ConnectFailed, match=f"127.0.0.1:{port}: "):
        await connect_client(lambda now: EsmeSession(EsmeConfig(), now=now), "127.0.0.1", port, lambda c, e: None)


@pytest.mark.parametrize("host", ["bad..host", "x" * 64, "a\0b", "€" * 64])
async def test_a_name_that_cannot_be_one_is_a_failed_connection(host: str) -> None:
    with pytest.raises(ConnectFailed):
        await connect_client(lambda now: EsmeSession(EsmeConfig(), now=now), host, 2775, lambda c, e: None, timeout_s=5)


async def test_q52_the_local_address_can_be_chosen() -> None:
    async with smsc() as server:
        connection = await connect_client(
            lambda now: EsmeSession(EsmeConfig(), now=now),
            "127.0.0.1",
            server.listener.port,
            lambda c, e: None,
            local_host="127.0.0.2",
        )
        assert connection._transport is not None
        assert connection._transport.get_extra_info("sockname")[0] == "127.0.0.2"
        connection.abort()
        await connection.wait_closed()


async def test_the_kernel_watches_both_ends_of_a_connection() -> None:
    """Also before a bind, when no enquire_link is sent; what the system at hand lacks is not looked at."""
    wanted = {
        "TCP_KEEPIDLE": KEEPALIVE_IDLE_S,
        "TCP_KEEPINTVL": KEEPALIVE_INTERVAL_S,
        "TCP_KEEPCNT": KEEPALIVE_PROBES,
    }
    async with smsc() as server:
        esme = Esme()
        await esme.bind(server.listener.port)
        for connection in (esme.connection, server.connections[0]):
            assert connection._transport is not None
            sock = connection._transport.get_extra_info("socket")
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
            for name, number in wanted.items():
                if hasattr(socket, name):
                    assert sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) == number, name
        esme.connection.abort()


def test_keep_alive_is_for_tcp_and_for_what_the_system_has(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_tcp_alive(None)
    ours, theirs = socket.socketpair()  # of the UNIX family
    with ours, theirs:
        keep_tcp_alive(ours)
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
    monkeypatch.delattr(socket, "TCP_KEEPIDLE", raising=False)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        keep_tcp_alive(sock)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
