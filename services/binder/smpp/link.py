"""Edge: one bind: a transceiver connection, or a transmitter and a receiver that live and die together."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from schemas.gateway.connectors.smpp import SmppConnector
from services.binder.smpp.link_plan import LinkAddress, LinkPlan, esme_config
from services.binder.submit.dispatch_record import DispatchedSegment
from shared.smpp.codec import encode_body
from shared.smpp.config import EsmeConfig
from shared.smpp.constants import BindMode, command_name
from shared.smpp.errors import ConnectFailed, UnencodablePdu
from shared.smpp.events import (
    AlertReceived,
    BindFailed,
    Bound,
    Closed,
    DeliverReceived,
    Event,
    LateResponse,
    LinkDead,
    OutbindReceived,
    ProtocolErrorSeen,
    SubmitAnswered,
    SubmitUnknown,
)
from shared.smpp.pdu import SubmitSm
from shared.smpp.session import EsmeSession, bind_request
from shared.smpp.transport import Connection, connect_client

EsmeConnection = Connection[EsmeSession]

UNANSWERED_HIGH: Final = 2000
"""deliver_sm of one connection that wait for Kafka: above it, its socket is not read any more."""

GRACE_S: Final = 10.0
"""How much longer than its own timers a session may take to end before the connection is cut."""


@dataclass(frozen=True, slots=True)
class NotBound:
    """An attempt that failed: `command_status` of the refusal, None where nobody answered; `reason` is a sentence.

    `unusable`: what is configured can never bind; nothing was sent.
    """

    command_status: int | None
    reason: str
    unusable: bool = False


class LinkOwner(Protocol):
    """Is told what happens on a link. Called in the event loop; tokens are the segments that were submitted."""

    def submit_answered(self, token: DispatchedSegment, command_status: int, smsc_message_id: str | None) -> None: ...
    def submit_unknown(self, token: DispatchedSegment) -> None: ...
    def late_response(self, token: DispatchedSegment, command_status: int, smsc_message_id: str | None) -> None: ...
    def delivered(self, connection: EsmeConnection, event: DeliverReceived) -> None: ...
    def noticed(self, kind: str, detail: str) -> None:
        """The SMSC did something that the specification does not allow, or that nobody asked for."""

    def link_moved(self) -> None:
        """A batch of events is over, or there is room to write again."""

    def link_down(self, reason: str) -> None:
        """The link was up and has ended; every token has had its outcome."""


MakeEsmeSession: TypeAlias = Callable[[EsmeConfig, float, float], EsmeSession]
"""Makes a session of a config, the time and a jitter."""


def new_session(config: EsmeConfig, now: float, jitter: float) -> EsmeSession:
    """A session that nobody traces."""
    return EsmeSession(config, now=now, jitter=jitter)


class EsmeLink:
    """One bind. Use it once: `open`, then `drain` or `abort`."""

    def __init__(self, owner: LinkOwner, make_session: MakeEsmeSession = new_session) -> None:
        self._owner = owner
        self._make_session = make_session
        self._connections: list[EsmeConnection] = []
        self._waiting: dict[EsmeConnection, asyncio.Future[NotBound | None]] = {}
        self._transmitter: EsmeConnection | None = None
        self._up = False
        self._draining = False
        self._reason = ""
        self.leaving = False
        self.peer = ""

    # -- life -------------------------------------------------------------------------------------------------------

    async def open(
        self, connector: SmppConnector, plan: LinkPlan, password: str, address_no: int = 0
    ) -> NotBound | None:
        """Connect and bind at one of the plan's addresses; None = bound. After a failure, or when cancelled, nothing is
        open any more.
        """
        address = plan.addresses[address_no]
        try:
            for mode in plan.modes:
                failed = await self._open_one(plan, address, esme_config(connector, mode, password))
                if failed is not None:
                    await self.abort()
                    return failed
        except BaseException:
            await self.abort()
            raise
        if any(connection.session.is_closed for connection in self._connections):
            await self.abort()
            return NotBound(None, self._reason or "the connection was closed")
        self._up = True
        self.peer = self._connections[0].peer
        return None

    async def _open_one(self, plan: LinkPlan, address: LinkAddress, config: EsmeConfig) -> NotBound | None:
        try:
            encode_body(bind_request(config), 1)
        except UnencodablePdu as error:
            return NotBound(None, str(error), unusable=True)
        jitter = random.random()
        begun_s = asyncio.get_running_loop().time()
        try:
            connection = await connect_client(
                lambda now: self._make_session(config, now, jitter),
                *address,
                self._on_events,
                tls=plan.tls,
                timeout_s=config.bind_timeout_s,
                local_host=plan.local_host,
                unanswered_high=UNANSWERED_HIGH,
                on_writable=self._owner.link_moved,
            )
        except ConnectFailed as error:
            return NotBound(None, str(error))
        self._connections.append(connection)
        if config.bind_mode is not BindMode.RECEIVER:
            self._transmitter = connection
        if connection.session.is_closed:
            return NotBound(None, self._reason or "the connection was closed")
        now = connection.now()
        connection.session.bind(now, max(0.0, begun_s + config.bind_timeout_s - now))
        answer: asyncio.Future[NotBound | None] = asyncio.get_running_loop().create_future()
        self._waiting[connection] = answer
        connection.wake()
        return await answer

    async def drain(self) -> None:
        """Finish the window, unbind and close; returns when every connection is gone.

        What is unanswered after response_timeout_s ends as unknown. Nothing may be submitted any more.
        """
        self._draining = True
        for connection in self._connections:
            connection.handle(connection.session.drain(connection.now()))
            await self._closed(connection)

    async def abort(self) -> None:
        """End all connections now: unbind where there is a bind, and cut what does not follow."""
        self.leave()
        for connection in self._connections:
            await self._closed(connection)

    async def _closed(self, connection: EsmeConnection) -> None:
        config = connection.session.config
        longest_s = config.response_timeout_s + config.unbind_timeout_s + GRACE_S
        try:
            async with asyncio.timeout(longest_s):
                await connection.wait_closed()
        except TimeoutError:
            connection.abort()
            await connection.wait_closed()

    def leave(self) -> None:
        """Begin to unbind without waiting for answers; `link_down` follows within unbind_timeout_s."""
        self.leaving = True
        for connection in self._connections:
            connection.handle(connection.session.unbind(connection.now()))

    def cut(self) -> None:
        """Close the sockets without a word; `link_down` follows."""
        for connection in self._connections:
            connection.abort()

    # -- submitting -------------------------------------------------------------------------------------------------

    @property
    def window_free(self) -> int:
        transmitter = self._transmitter
        return transmitter.session.window_free if self._up and transmitter and not transmitter.congested else 0

    def submit(self, token: DispatchedSegment, submit_sm: SubmitSm) -> bool:
        """Hand a submit_sm to the session. False: not now. Raises UnencodablePdu. `flush` sends."""
        connection = self._transmitter
        return connection is not None and connection.session.submit(token, submit_sm, connection.now())

    def flush(self, still_allowed: Callable[[], bool]) -> None:
        """What was submitted goes out at the end of this turn of the event loop.

        If `still_allowed` says no by then the connection is cut and nothing is sent.
        """
        if self._transmitter is not None:
            self._transmitter.wake(still_allowed)

    def resize_window(self, size: int) -> None:
        for connection in self._connections:
            connection.session.resize_window(size)

    # -- events -----------------------------------------------------------------------------------------------------

    def _on_events(self, connection: Connection[Any], events: list[Event]) -> None:
        owner = self._owner
        for event in events:
            if isinstance(event, SubmitAnswered):
                owner.submit_answered(event.token, event.command_status, event.smsc_message_id)
            elif isinstance(event, DeliverReceived):
                owner.delivered(connection, event)
            else:
                self._on_rare_event(connection, event)
        owner.link_moved()

    def _on_rare_event(self, connection: EsmeConnection, event: Event) -> None:
        if isinstance(event, SubmitUnknown):
            self._owner.submit_unknown(event.token)
        elif isinstance(event, LateResponse):
            self._owner.late_response(event.token, event.command_status, event.smsc_message_id)
        elif isinstance(event, Bound):
            self._bind_answered(connection, None)
        elif isinstance(event, BindFailed):
            self._reason = _bind_failure(event)
            self._bind_answered(connection, NotBound(event.command_status, self._reason))
        elif isinstance(event, LinkDead):
            self._reason = f"link dead: {event.reason}"
        elif isinstance(event, ProtocolErrorSeen):
            self._owner.noticed(event.kind, event.detail)
        elif isinstance(event, AlertReceived | OutbindReceived):
            self._owner.noticed(command_name(event.pdu.command_id), "not asked for, and left out")
        elif isinstance(event, Closed):
            self._one_closed(connection, self._reason or event.reason)

    def _bind_answered(self, connection: EsmeConnection, result: NotBound | None) -> None:
        answer = self._waiting.pop(connection, None)
        if answer is not None and not answer.done():
            answer.set_result(result)

    def _one_closed(self, connection: EsmeConnection, reason: str) -> None:
        self._bind_answered(connection, NotBound(None, reason))
        self._reason = reason
        for other in self._connections:
            if other is not connection and not other.session.is_closed:
                session, now = other.session, other.now()
                other.handle(session.drain(now) if self._draining else session.unbind(now))
        if self._up and all(c.session.is_closed for c in self._connections):
            self._up = False
            self._owner.link_down(reason)


def _bind_failure(event: BindFailed) -> str:
    if event.command_status is None:
        return "no answer to the bind request"
    return f"bind {event.reason}: command_status 0x{event.command_status:08x}"
