"""Edge: a small SMSC over TCP for the binder's tests: what it does with each submit_sm is a function of the test's."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.smpp.config import SmscConfig
from shared.smpp.constants import BindMode
from shared.smpp.events import BindRequested, Closed, DeliverAnswered, Event, SubmitReceived
from shared.smpp.listener import Listener, serve
from shared.smpp.pdu import BindRequest, DeliverSm, SubmitSm
from shared.smpp.server_session import SmscSession
from shared.smpp.transport import Connection

SmscConnection = Connection[SmscSession]


@dataclass(frozen=True, slots=True)
class Answered:
    """What the SMSC says to a submit_sm; None instead = nothing at all."""

    command_status: int = 0
    message_id: str | None = None


@dataclass
class SmscDouble:
    """`answer` decides about a submit (default: accepted, ids m1, m2, ...); `admit` about a bind (0 = accepted)."""

    answer: Callable[[SubmitSm], Answered | None] | None = None
    admit: Callable[[BindRequest], int] = lambda _: 0
    submits: list[SubmitSm] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    bound: list[SmscConnection] = field(default_factory=list)
    binds: int = 0
    most_bound: int = 0
    refused: int = 0
    delivered: list[tuple[object, int]] = field(default_factory=list)
    listener: Listener | None = None
    moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def port(self) -> int:
        assert self.listener is not None
        return self.listener.port

    async def start(self, port: int = 0) -> "SmscDouble":
        config = SmscConfig(system_id="double", window_size=1000)
        self.listener = await serve(lambda now: SmscSession(config, now=now), "127.0.0.1", port, self._on_events)
        return self

    async def stop(self) -> None:
        if self.listener is not None:
            await self.listener.close()

    async def until(self, condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        """Return when `condition` holds; looked at whenever something happened here."""
        async with asyncio.timeout(timeout_s), self.moved:
            await self.moved.wait_for(condition)

    def deliver(self, pdu: DeliverSm, token: object = None) -> bool:
        """Send a deliver_sm on the first bind that receives."""
        for connection in self.bound:
            if connection.session.bind_mode in (BindMode.RECEIVER, BindMode.TRANSCEIVER):
                accepted = connection.session.deliver(token, pdu, connection.now())
                connection.wake()
                return accepted
        return False

    def answer_all(self) -> None:
        """Accept what was not answered, and whatever comes."""
        self.answer = None
        for connection in self.bound:
            for sequence_number in list(connection.session._unanswered):
                connection.session.answer_submit(sequence_number, 0, f"late-{sequence_number}")
            connection.wake()

    def _on_events(self, connection: SmscConnection, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, BindRequested):
                self._bind(connection, event)
            elif isinstance(event, SubmitReceived):
                self._submit(connection, event)
            elif isinstance(event, DeliverAnswered):
                self.delivered.append((event.token, event.command_status))
            elif isinstance(event, Closed) and connection in self.bound:
                self.bound.remove(connection)
        asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        async with self.moved:
            self.moved.notify_all()

    def _bind(self, connection: SmscConnection, event: BindRequested) -> None:
        status = self.admit(event.pdu)
        if status:
            self.refused += 1
            connection.handle(connection.session.refuse_bind(status, connection.now()))
            return
        connection.session.accept_bind(connection.now())
        self.binds += 1
        self.bound.append(connection)
        self.most_bound = max(self.most_bound, len(self.bound))

    def _submit(self, connection: SmscConnection, event: SubmitReceived) -> None:
        self.submits.append(event.pdu)
        self.times.append(connection.now())
        if self.answer is None:
            answered: Answered | None = Answered(0, f"m{len(self.submits)}")
        else:
            answered = self.answer(event.pdu)
        if answered is not None:
            connection.session.answer_submit(event.sequence_number, answered.command_status, answered.message_id)
