"""Edge: an ESME over TCP for the simulator's tests, and a simulator in this process or in one of its own."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from services.simulator.scenario import parse_scenario
from services.simulator.server import UNANSWERED_MAX, Simulator
from services.simulator.submit_log import SubmitLog
from shared.smpp.config import EsmeConfig
from shared.smpp.constants import BindMode
from shared.smpp.events import BindFailed, Bound, Closed, DeliverReceived, EsmeEvent, Event, SubmitAnswered
from shared.smpp.listener import Listener, serve
from shared.smpp.pdu import DataSm, DeliverSm, SubmitSm
from shared.smpp.session import EsmeSession
from shared.smpp.tls import ClientTls
from shared.smpp.transport import Connection, connect_client

EventT = TypeVar("EventT", bound=EsmeEvent)

SUBMIT = SubmitSm(
    source_addr_ton=5,
    source_addr="SHOP",
    dest_addr_ton=1,
    dest_addr_npi=1,
    destination_addr="447700900123",
    registered_delivery=1,
    short_message=b"hello world",
)


@dataclass
class Esme:
    """One bind. `answer` decides about every deliver_sm: a command_status, or None for no answer."""

    answer: Callable[[DeliverSm | DataSm], int | None] = lambda _: 0
    events: list[Event] = field(default_factory=list)
    connection: Connection[EsmeSession] = field(init=False)
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)
    _telling: "asyncio.Future[None] | None" = None

    async def bind(
        self,
        port: int,
        system_id: str = "shop",
        *,
        bind_mode: BindMode = BindMode.TRANSCEIVER,
        password: str = "",
        tls: ClientTls | None = None,
    ) -> "Esme":
        """Connect and wait until the bind was answered, one way or the other."""
        config = EsmeConfig(system_id=system_id, password=password, bind_mode=bind_mode, window_size=5000)
        self.connection = await connect_client(
            lambda now: EsmeSession(config, now=now), "127.0.0.1", port, self._on_events, tls=tls
        )
        self.connection.session.bind(self.connection.now())
        self.connection.wake()
        await self.until(lambda: bool(self.of(Bound) or self.of(BindFailed)))
        return self

    def submit(self, *bodies: SubmitSm) -> None:
        """Send; the token of each is its place in the call."""
        for token, body in enumerate(bodies):
            assert self.connection.session.submit(token, body, self.connection.now())
        self.connection.wake()

    def of(self, kind: type[EventT]) -> list[EventT]:
        """The events of one kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def answered(self) -> list[SubmitAnswered]:
        return self.of(SubmitAnswered)

    def delivered(self) -> list[DeliverReceived]:
        return self.of(DeliverReceived)

    async def until(self, condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        """Return when `condition` holds; looked at whenever something came."""
        async with asyncio.timeout(timeout_s), self._moved:
            await self._moved.wait_for(condition)

    async def closed(self) -> None:
        await self.until(lambda: bool(self.of(Closed)))

    async def leave(self) -> None:
        self.connection.handle(self.connection.session.unbind(self.connection.now()))
        await self.connection.wait_closed()

    def _on_events(self, connection: Connection[EsmeSession], events: list[Event]) -> None:
        self.events += events
        for event in events:
            if isinstance(event, DeliverReceived):
                command_status = self.answer(event.pdu)
                if command_status is not None:
                    connection.session.answer_deliver(event.sequence_number, command_status)
        self._telling = asyncio.ensure_future(self._notify())

    async def _notify(self) -> None:
        async with self._moved:
            self._moved.notify_all()


@dataclass
class Smsc:
    """A simulator in this process."""

    simulator: Simulator
    listener: Listener
    log_file: Path
    lost: list[str]

    @property
    def port(self) -> int:
        return self.listener.port

    def log(self) -> list[dict[str, Any]]:
        return read_log(self.log_file)


def read_log(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]


@asynccontextmanager
async def smsc(folder: Path, accounts: str, passwords: dict[str, str] | None = None) -> AsyncIterator[Smsc]:
    """A simulator with these accounts (YAML, what stands below `accounts:`)."""
    log_file = folder / "submits.jsonl"
    log = SubmitLog(log_file)
    lost: list[str] = []
    simulator = Simulator(parse_scenario(f"version: 1\n{accounts}"), log, passwords or {}, lost.append)
    listener = await serve(simulator.make_session, "127.0.0.1", 0, simulator.on_events, unanswered_high=UNANSWERED_MAX)
    try:
        yield Smsc(simulator, listener, log_file, lost)
    finally:
        simulator.answer_everything()
        await listener.close()
        log.close()


@dataclass
class SmscProcess:
    """`python -m services simulator` as `smsgw up` starts it."""

    process: asyncio.subprocess.Process
    first_line: str
    log_file: Path

    @property
    def port(self) -> int:
        return int(self.first_line.split("127.0.0.1:")[1].split(",")[0])

    @property
    def control_port(self) -> int:
        return int(self.first_line.split("127.0.0.1:")[2].split(",")[0])

    async def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """The exit code, and what it said since the first line."""
        self.process.send_signal(number)
        assert self.process.stdout is not None
        said = await self.process.stdout.read()
        return await self.process.wait(), said.decode()


@asynccontextmanager
async def smsc_process(folder: Path, scenario: str, *arguments: str) -> AsyncIterator[SmscProcess]:
    """Started and listening; killed afterwards if it still runs."""
    file = folder / "scenario.yaml"
    file.write_text(scenario)
    log_file = folder / "submits.jsonl"
    argv = ["-m", "services", "simulator", "--scenario", str(file), "--port", "0", "--log", str(log_file), *arguments]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    try:
        yield SmscProcess(process, (await process.stdout.readline()).decode(), log_file)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
