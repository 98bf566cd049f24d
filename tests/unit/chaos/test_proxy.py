"""Edge: what the proxy does to the connections of one process, and that nothing is lost on the way."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shared.local.ports import LOOPBACK, free_port
from tests.chaos.proxy import Proxy


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while octets := await reader.read(1000):
            writer.write(octets)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def _proxied() -> AsyncIterator[tuple[Proxy, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A proxy before a server that answers with what it was sent, and a connection of ours through it that works."""
    server = await asyncio.start_server(_echo, LOOPBACK, 0)
    proxy = Proxy(free_port(), server.sockets[0].getsockname()[1])
    await proxy.start()
    reader, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
    try:
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        yield proxy, reader, writer
    finally:
        writer.close()
        await proxy.stop()
        server.close()


async def test_a_stall_holds_and_then_lets_go() -> None:
    async with _proxied() as (proxy, reader, writer):
        with proxy.troubled(os.getpid, None) as held:
            assert held == 1
            writer.write(b"later")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await reader.read(1)
        assert await reader.readexactly(5) == b"later"


async def test_a_stall_holds_what_is_connected_meanwhile() -> None:
    async with _proxied() as (proxy, _, _):
        with proxy.troubled(os.getpid, None):
            reader, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
            writer.write(b"later")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await reader.read(1)
        assert await reader.readexactly(5) == b"later"
        writer.close()


async def test_a_delay_delays() -> None:
    async with _proxied() as (proxy, reader, writer):
        loop = asyncio.get_running_loop()
        with proxy.troubled(os.getpid, 0.1):
            began = loop.time()
            writer.write(b"slow")
            assert await reader.readexactly(4) == b"slow"
            assert loop.time() - began >= 0.2  # there and back


async def test_a_cut_is_a_reset() -> None:
    async with _proxied() as (proxy, reader, _):
        assert proxy.cut(os.getpid()) == 1
        with pytest.raises(ConnectionResetError):
            await reader.read(1)


async def test_others_are_left_alone() -> None:
    async with _proxied() as (proxy, reader, writer):
        with proxy.troubled(os.getppid, None) as held:
            writer.write(b"now")
            assert (held, await reader.readexactly(3)) == (0, b"now")
        assert proxy.cut(os.getppid()) == proxy.cut(None) == 0
