"""Pure: what an SMPP session does in either role: framing, window, keep-alive, unbinding, bad input.

The seam (after h11 and aioquic): octets, calls and the time go in; events and octets come out. Nothing here reads a
clock or a socket. After each call into a session its owner sends `data_to_send()` and arranges to call `handle_timer`
at `next_deadline()`. `now` is in seconds of any clock that never goes back.

What a peer does wrong is answered (generic_nack, or the command's own response with a status), reported as
`ProtocolErrorSeen`, and survived; only a lost framing ends the session.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Final, Generic, Protocol, TypeVar

from shared.smpp import pdu
from shared.smpp.codec import UnparsablePdu, decode_frame, encode_body, response_to
from shared.smpp.config import SessionConfig
from shared.smpp.constants import HEADER_LENGTH, RESPONSE_BIT, BindMode, SmppCommand, SmppCommandStatus, command_name
from shared.smpp.errors import WrongState
from shared.smpp.events import (
    Closed,
    CloseReason,
    Event,
    LinkDead,
    PeerUnbound,
    ProtocolErrorKind,
    ProtocolErrorSeen,
    Token,
    UnknownReason,
)
from shared.smpp.keepalive import KeepAlive
from shared.smpp.transitions import BOUND_AS, BOUND_STATES, Role, SessionState, Trigger, next_state
from shared.smpp.window import InFlight, Window

_ENQUIRE_LINK: Final = SmppCommand.ENQUIRE_LINK.value
_UNBIND: Final = SmppCommand.UNBIND.value
_GENERIC_NACK: Final = SmppCommand.GENERIC_NACK.value
_AT_ONCE: Final = float("-inf")

ConfigT = TypeVar("ConfigT", bound=SessionConfig)


class PduSink(Protocol):
    """Who looks at every PDU in and out; `trace.TraceRing` is one."""

    def record(self, at: float, direction: str, frame: bytes) -> None:
        """One whole PDU; `direction` is `in` or `out`, `at` the session's `now`."""


class SessionCore(ABC, Generic[ConfigT]):
    """The common part of `EsmeSession` and `SmscSession`; see the promises in `events`.

    jitter: a random number in [0, 1] drawn by the owner, one per session.
    trace: gets every PDU; None costs nothing.
    """

    role: ClassVar[Role]

    def __init__(self, config: ConfigT, *, now: float, jitter: float = 0.0, trace: PduSink | None = None) -> None:
        self.config: Final = config
        self.state = SessionState.OPEN
        self.bind_mode: BindMode | None = None
        self._record = None if trace is None else trace.record
        self._now = now
        self._jitter = jitter
        self._received = bytearray()
        self._octets_needed = 4
        self._to_send: list[bytes] = []
        self._window = Window(
            config.window_size, config.response_timeout_s, config.late_tokens_max, config.first_sequence_number
        )
        self._keepalive: KeepAlive | None = None
        self._unanswered: dict[int, tuple[int, ...]] = {}
        self._unanswered_count = 0
        self._state_deadline: float | None = None
        self._unbind_sequence_number = 0
        self._is_leaving = False
        self._may_finish = False

    # ------------------------------------------------------------------------------------------------- for the owner

    @property
    def is_bound(self) -> bool:
        """Whether requests of ours may be sent."""
        return self.state in BOUND_STATES

    @property
    def is_closed(self) -> bool:
        """Whether `Closed` has been reported."""
        return self.state is SessionState.CLOSED

    @property
    def in_flight(self) -> int:
        """Accepted tokens without an outcome."""
        return len(self._window)

    @property
    def window_free(self) -> int:
        """How many more tokens would be accepted now."""
        return self._window.free if self.is_bound else 0

    @property
    def unanswered(self) -> int:
        """Requests of the peer that the owner has not answered yet; the transport stops reading when they pile up."""
        return self._unanswered_count

    def token_of(self, sequence_number: int) -> Token | None:
        """Whose request of ours this number is, as long as an answer could still be told."""
        return self._window.token_of(sequence_number)

    def resize_window(self, size: int) -> None:
        """Change the window; what is in flight beyond a smaller one stays in flight."""
        self._window.size = size

    def data_to_send(self) -> bytes:
        """Octets for the peer since the last call, also after `Closed`; empty when there are none."""
        if not self._to_send:
            return b""
        data = b"".join(self._to_send)
        self._to_send.clear()
        return data

    def receive_data(self, data: bytes, now: float) -> list[Event]:
        """Take octets of the peer, cut anywhere. After `Closed` they are ignored."""
        self._now = now
        events: list[Event] = []
        if self.state is SessionState.CLOSED or not data:
            return events
        if self._keepalive is not None:
            self._keepalive.heard(now)
        if self._received:
            self._received += data
            if len(self._received) < self._octets_needed:
                return events
            data = bytes(self._received)
            self._received.clear()
        rest = self._receive_frames(data, events)
        if rest < len(data) and not self.is_closed:
            self._received += data[rest:]
        return events

    def next_deadline(self) -> float | None:
        """When `handle_timer` wants to be called; a time in the past means at once, None not at all."""
        if self.state is SessionState.CLOSED:
            return None
        if self._may_finish:
            return _AT_ONCE
        deadlines = [self._window.next_deadline(), self._state_deadline]
        if self._keepalive is not None:
            deadlines.append(self._keepalive.next_deadline())
        return min((one for one in deadlines if one is not None), default=None)

    def handle_timer(self, now: float) -> list[Event]:
        """Do what is due at `now`; calling it too early, or too often, is harmless."""
        self._now = now
        events: list[Event] = []
        if self.is_closed:
            return events
        events.extend(self._unknown(request, "no_response") for request in self._window.expire(now))
        if self._state_deadline is not None and now >= self._state_deadline:
            self._on_state_deadline(events)
        if self._keepalive is not None and not self.is_closed:
            self._keep_alive(self._keepalive, now, events)
        self._finish_unbinding(events)
        return events

    def connection_lost(self, now: float) -> list[Event]:
        """The connection is gone; everything in flight ends as unknown."""
        self._now = now
        events: list[Event] = []
        self._close(Trigger.ENDED, "connection_lost", events)
        return events

    def unbind(self, now: float) -> list[Event]:
        """Leave now: no further requests; what is in flight has unbind_timeout_s left. Unbound sessions just close."""
        self._now = now
        events: list[Event] = []
        if self.state in BOUND_STATES or self.state is SessionState.DRAINING:
            self._send_unbind()
        elif self.state in (SessionState.OPEN, SessionState.BINDING):
            self._close(Trigger.ENDED, "unbound", events)
        return events

    def drain(self, now: float) -> list[Event]:
        """Leave when nothing is in flight in either direction, after response_timeout_s at the latest."""
        self._now = now
        events: list[Event] = []
        if self.state not in BOUND_STATES:
            return self.unbind(now) if self.state is not SessionState.DRAINING else events
        self._move(Trigger.DRAIN)
        self._state_deadline = now + self.config.response_timeout_s
        self._finish_unbinding(events)
        return events

    def send_raw(self, frame: bytes) -> None:
        """Put octets on the wire as they are: for the simulator's misbehaviour and for tests, nothing else."""
        self._write(frame)

    # -------------------------------------------------------------------------------------------------- for the roles

    @abstractmethod
    def _on_role_request(self, request: pdu.Pdu, events: list[Event]) -> None:
        """A request other than enquire_link and unbind."""

    @abstractmethod
    def _on_role_response(
        self, command_id: int, command_status: int, sequence_number: int, frame: bytes
    ) -> Event | None:
        """A response or generic_nack that may belong to a request of the window; None when it does not."""

    @abstractmethod
    def _on_control_response(self, command_id: int, response: pdu.Pdu | UnparsablePdu, events: list[Event]) -> None:
        """The answer to a bind request of ours."""

    @abstractmethod
    def _unknown(self, request: InFlight, reason: UnknownReason) -> Event:
        """The event for a token that ends without an answer."""

    @abstractmethod
    def _on_unbound_deadline(self, events: list[Event]) -> None:
        """OPEN or BINDING has lasted too long."""

    def _write(self, frame: bytes) -> None:
        if self._record is not None:
            self._record(self._now, "out", frame)
        self._to_send.append(frame)

    def _respond(self, body: pdu.Body, sequence_number: int, command_status: int = 0) -> None:
        self._write(encode_body(body, sequence_number, command_status))

    def _ask(self, body: pdu.EnquireLink | pdu.Unbind) -> None:
        """Send a request that is no token's; its answer comes back through the window's controls."""
        sequence_number = self._window.take_sequence_number()
        self._window.add_control(sequence_number, body.command_id)
        self._respond(body, sequence_number)

    def _move(self, trigger: Trigger) -> None:
        following = next_state(self.state, trigger)
        if following is None:
            raise WrongState(f"{trigger.value} in state {self.state.value}")
        self.state = following
        self._is_leaving = following in (SessionState.DRAINING, SessionState.PEER_UNBINDING)

    def _enter_bound(self, bind_mode: BindMode) -> None:
        self._move(BOUND_AS[bind_mode][0])
        self.bind_mode = bind_mode
        self._state_deadline = None
        config = self.config
        self._keepalive = KeepAlive(
            config.enquire_link_s, config.enquire_link_timeout_s, config.inactivity_s, self._jitter, self._now
        )

    def _close(self, trigger: Trigger, reason: CloseReason, events: list[Event]) -> None:
        if self.is_closed:
            return
        self._move(trigger)
        self._state_deadline = None
        self._keepalive = None
        self._received.clear()
        self._unanswered.clear()
        self._unanswered_count = 0
        events.extend(self._unknown(request, "connection_lost") for request in self._window.abandon())
        events.append(Closed(reason))

    def _expect_answer_of_owner(self, sequence_number: int, response_id: int) -> None:
        # A peer that repeats a sequence_number gets one answer for each request all the same.
        self._unanswered[sequence_number] = (*self._unanswered.get(sequence_number, ()), response_id)
        self._unanswered_count += 1

    def _take_unanswered(self, sequence_number: int) -> int | None:
        """The response_id that a request of the peer waits for; None when it waits for none."""
        response_ids = self._unanswered.pop(sequence_number, None)
        if response_ids is None:
            return None
        if len(response_ids) > 1:
            self._unanswered[sequence_number] = response_ids[1:]
        self._unanswered_count -= 1
        self._may_finish = self._is_leaving
        return response_ids[0]

    def _complain(
        self, kind: ProtocolErrorKind, detail: str, command_id: int, sequence_number: int, events: list[Event]
    ) -> None:
        events.append(ProtocolErrorSeen(kind, detail, command_id, sequence_number))

    # ------------------------------------------------------------------------------------------------------- receiving

    def _receive_frames(self, data: bytes, events: list[Event]) -> int:
        """Handle the whole PDUs of `data`; return where the first incomplete one begins."""
        offset, end = 0, len(data)
        command_length_max = self.config.command_length_max
        while end - offset >= 4:
            command_length = int.from_bytes(data[offset : offset + 4], "big")
            if not HEADER_LENGTH <= command_length <= command_length_max:
                detail = f"command_length {command_length}"
                events.append(ProtocolErrorSeen("framing_lost", detail, None, None))
                self._respond(pdu.GenericNack(), 0, SmppCommandStatus.ESME_RINVCMDLEN)
                self._close(Trigger.ENDED, "framing_lost", events)
                return end
            following = offset + command_length
            if following > end:
                self._octets_needed = command_length
                return offset
            self._receive_frame(data[offset:following], events)
            if self._is_leaving:
                self._finish_unbinding(events)
            if self.state is SessionState.CLOSED:
                return end
            offset = following
        self._octets_needed = 4
        return offset

    def _receive_frame(self, frame: bytes, events: list[Event]) -> None:
        if self._record is not None:
            self._record(self._now, "in", frame)
        command_id = int.from_bytes(frame[4:8], "big")
        if command_id & RESPONSE_BIT:
            self._receive_response(command_id, frame, events)
            return
        request = decode_frame(frame)
        if isinstance(request, UnparsablePdu):
            self._refuse_unparsable(request, events)
        elif command_id == _ENQUIRE_LINK:  # Q22: answered in any state
            self._respond(pdu.EnquireLinkResp(), request.sequence_number)
        elif command_id == _UNBIND:
            self._receive_unbind(request.sequence_number, events)
        else:
            self._on_role_request(request, events)

    def _refuse_unparsable(self, request: UnparsablePdu, events: list[Event]) -> None:
        body = response_to(request.command_id)
        self._respond(body, request.sequence_number, request.answer_status)
        self._complain("unparsable_pdu", request.reason, request.command_id, request.sequence_number, events)

    def _receive_response(self, command_id: int, frame: bytes, events: list[Event]) -> None:
        command_status = int.from_bytes(frame[8:12], "big")
        sequence_number = int.from_bytes(frame[12:16], "big")
        event = self._on_role_response(command_id, command_status, sequence_number, frame)
        if event is not None:
            events.append(event)
            return
        is_nack = command_id == _GENERIC_NACK
        control = self._window.answer_control(sequence_number, None if is_nack else command_id)
        if control is None and is_nack and sequence_number == 0:
            control = self._window.answer_nameless()
        if control is None:
            detail = f"{command_name(command_id)} answers nothing that is in flight"
            self._complain("unexpected_response", detail, command_id, sequence_number, events)
        elif control == _UNBIND:
            if self.state is SessionState.UNBINDING:
                self._close(Trigger.UNBOUND, "unbound", events)
        elif control != _ENQUIRE_LINK:
            self._on_control_response(command_id, decode_frame(frame), events)

    # ------------------------------------------------------------------------------------------- keep-alive and leaving

    def _keep_alive(self, keepalive: KeepAlive, now: float, events: list[Event]) -> None:
        action = keepalive.due(now)
        if action == "none":
            return
        if action == "enquire_link":
            if keepalive.asked == 1:  # the peer was heard of since the last ones: it owes no answer to them
                self._window.forget_controls(_ENQUIRE_LINK)
            self._ask(pdu.EnquireLink())
            return
        events.append(LinkDead(action))
        self._close(Trigger.ENDED, "link_dead", events)

    def _send_unbind(self) -> None:
        self._move(Trigger.UNBIND_SENT)
        self._ask(pdu.Unbind())
        self._state_deadline = self._now + self.config.unbind_timeout_s

    def _receive_unbind(self, sequence_number: int, events: list[Event]) -> None:
        """Both sides may unbind at once: then the peer's is answered, and ours still waits for its answer."""
        if self.state in (SessionState.UNBINDING, SessionState.PEER_UNBINDING):
            self._respond(pdu.UnbindResp(), sequence_number)
            return
        self._move(Trigger.UNBIND_RECEIVED)
        self._unbind_sequence_number = sequence_number
        self._state_deadline = self._now + self.config.unbind_timeout_s
        events.append(PeerUnbound())

    def _finish_unbinding(self, events: list[Event], *, time_is_up: bool = False) -> None:
        """Leave when nothing holds us any more: no request in flight, none of the peer's unanswered."""
        self._may_finish = False
        if not self._is_leaving or not (time_is_up or (not self.in_flight and not self._unanswered_count)):
            return
        if self.state is SessionState.DRAINING:
            self._send_unbind()
            return
        self._respond(pdu.UnbindResp(), self._unbind_sequence_number)
        self._close(Trigger.UNBOUND, "peer_unbound", events)

    def _on_state_deadline(self, events: list[Event]) -> None:
        if self.state is SessionState.UNBINDING:
            self._close(Trigger.UNBOUND, "unbound", events)
        elif self._is_leaving:
            self._finish_unbinding(events, time_is_up=True)
        else:
            self._on_unbound_deadline(events)
