"""Edge: a TCP proxy between two parts that stalls, cuts and delays the connections of one process, and only those.

Whose connection it is, is asked of the operating system: the process that has the other end.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

from shared.local.ports import LOOPBACK
from shared.process.clock import monotonic_s
from tests.chaos.smpp_binds import BindChange, BindWatch

CHUNK = 262_144
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that ends a connection with a reset."""

PidOf = Callable[[], int | None]


class Trouble:
    """What is done to the connections of one process: nothing passes until `over`, or everything `delay_s` later."""

    def __init__(self, pid_of: PidOf, delay_s: float | None) -> None:
        self.pid_of = pid_of
        self.delay_s = delay_s
        self.over = asyncio.Event()


class Relay:
    """One connection and its other half."""

    def __init__(self, proxy: "Proxy", client_port: int) -> None:
        self._proxy = proxy
        self.client_port = client_port
        self.troubles: list[Trouble] = []
        self.held = b""
        self.watch = BindWatch() if proxy.watches_binds else None
        self._writers: list[asyncio.StreamWriter] = []

    async def run(self, client: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self._writers.append(client[1])
        try:
            server = await asyncio.open_connection(LOOPBACK, self._proxy.target_port, limit=CHUNK)
        except OSError:
            self.reset()
            return
        self._writers.append(server[1])
        pumps = {
            asyncio.create_task(self._pump(client[0], server[1], from_client=True)),
            asyncio.create_task(self._pump(server[0], client[1], from_client=False)),
        }
        try:
            await asyncio.wait(pumps)  # each of them closes what it writes to
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for writer in self._writers:
                writer.close()
            if self.watch is not None and self.watch.bound:
                self._proxy.binds.append(BindChange(monotonic_s(), self.watch.system_id, -1))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_client: bool) -> None:
        try:
            while octets := await reader.read(CHUNK):
                if from_client and self.troubles:
                    self.held = octets
                await self._pass()
                self.held = b""
                self._look_at(octets, from_client=from_client)
                writer.write(octets)
                await writer.drain()
            await self._pass()
        except OSError:  # whoever is at one end is gone: the other learns of it
            await self._pass()
        finally:
            writer.close()

    async def _pass(self) -> None:
        """Returns when what was read may go on: also the news that an end is gone."""
        for trouble in list(self.troubles):
            if trouble.delay_s is None:
                await trouble.over.wait()
            elif not trouble.over.is_set():
                await asyncio.sleep(trouble.delay_s)

    def _look_at(self, octets: bytes, *, from_client: bool) -> None:
        if self.watch is None:
            return
        if from_client:
            self.watch.from_client(octets)
        elif not self.watch.bound and self.watch.from_smsc(octets):
            self._proxy.binds.append(BindChange(monotonic_s(), self.watch.system_id, +1))

    def reset(self) -> None:
        """Both ends at once, as when the way between them is gone."""
        for writer in self._writers:
            with contextlib.suppress(OSError, AttributeError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


class Proxy:
    """Listens on `port` and connects to `target_port`, both on the loopback. `binds` where it looks at SMPP."""

    def __init__(self, port: int, target_port: int, *, watches_binds: bool = False) -> None:
        self.port = port
        self.target_port = target_port
        self.watches_binds = watches_binds
        self.binds: list[BindChange] = []
        self._relays: set[Relay] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._troubles: list[Trouble] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port, limit=CHUNK)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for relay in list(self._relays):
            relay.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        relay = Relay(self, writer.get_extra_info("peername")[1])
        self._relays.add(relay)
        if task is not None:
            self._tasks.add(task)
        try:
            for trouble in self._troubles:
                if relay.client_port in self._ports_of(trouble.pid_of()):
                    relay.troubles.append(trouble)
            await relay.run((reader, writer))
        finally:
            self._relays.discard(relay)
            if task is not None:
                self._tasks.discard(task)

    def _ports_of(self, pid: int | None) -> set[int]:
        """The client's ports of all its connections to this proxy."""
        try:
            connections = psutil.Process(pid).net_connections("tcp") if pid is not None else []
        except psutil.Error:
            return set()
        return {one.laddr.port for one in connections if one.raddr and one.raddr.port == self.port}

    def _relays_of(self, pid: int | None) -> list[Relay]:
        ports = self._ports_of(pid)
        return [relay for relay in self._relays if relay.client_port in ports]

    def held(self, pid: int | None) -> list[bytes]:
        """What the process has sent on its stalled connections and is held here: the beginning of each."""
        return [relay.held for relay in self._relays_of(pid) if relay.held]

    def cut(self, pid: int | None) -> int:
        """Reset every connection of the process; returns how many there were."""
        found = self._relays_of(pid)
        for relay in found:
            relay.reset()
        return len(found)

    @contextmanager
    def troubled(self, pid_of: PidOf, delay_s: float | None) -> Iterator[int]:
        """Stall (`delay_s` None) or delay all connections of the process while the block runs, those it makes meanwhile
        too, also where another one takes its place. Nothing is lost: what was held passes afterwards. Gives how many
        connections there were.
        """
        trouble = Trouble(pid_of, delay_s)
        found = self._relays_of(pid_of())
        self._troubles.append(trouble)
        for relay in found:
            relay.troubles.append(trouble)
        try:
            yield len(found)
        finally:
            self._troubles.remove(trouble)
            trouble.over.set()
            for relay in self._relays:
                if trouble in relay.troubles:
                    relay.troubles.remove(trouble)
