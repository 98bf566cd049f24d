"""A model of the states of an SMPP session, for hypothesis: binding, refusals, bind modes, leaving, limits.

It is exact: before every call it writes down which events and PDUs must come of it, in which state the session is
afterwards and when it wants to be woken next. Traffic is kept small on purpose; `smpp_machines` has plenty of it.
"""

from typing import Any, ClassVar, TypeAlias

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared.smpp import pdu
from shared.smpp.codec import decode_next, encode
from shared.smpp.config import EsmeConfig, SmscConfig
from shared.smpp.constants import COMMAND_LENGTH_MAX, BindMode, SmppCommandStatus
from shared.smpp.errors import WrongState
from shared.smpp.events import (
    AlertReceived,
    BindFailed,
    BindRequested,
    Bound,
    Closed,
    DeliverAnswered,
    DeliverReceived,
    DeliverUnknown,
    Event,
    LateResponse,
    LinkDead,
    OutbindReceived,
    PeerUnbound,
    ProtocolErrorSeen,
    RequestAnswered,
    RequestReceived,
    SubmitAnswered,
    SubmitReceived,
    SubmitUnknown,
)
from shared.smpp.server_session import SmscSession
from shared.smpp.session import EsmeSession
from shared.smpp.transitions import SessionState

UNANSWERED_MAX = 2
STEPS_BEFORE_THE_END = 6
RESPONSE_TIMEOUT_S = 20.0
BIND_TIMEOUT_S = 10.0
UNBIND_TIMEOUT_S = 5.0
AT_ONCE = float("-inf")

OPEN, BINDING, CLOSED = SessionState.OPEN, SessionState.BINDING, SessionState.CLOSED
DRAINING, UNBINDING, PEER_UNBINDING = SessionState.DRAINING, SessionState.UNBINDING, SessionState.PEER_UNBINDING
BOUND = {
    BindMode.TRANSMITTER: SessionState.BOUND_TX,
    BindMode.RECEIVER: SessionState.BOUND_RX,
    BindMode.TRANSCEIVER: SessionState.BOUND_TRX,
}
HOW_FAR = ("bound", "bound", "bound", "bound", "binding", "open")
LEAVING = (DRAINING, PEER_UNBINDING)
Status = SmppCommandStatus
REFUSALS = (Status.ESME_RINVPASWD, Status.ESME_RALYBND, Status.ESME_RBINDFAIL, 0x401)

Told: TypeAlias = tuple[Any, ...]
"""An event, or a PDU on the wire, as a tuple of what matters."""
Asking: TypeAlias = type[pdu.SubmitSm | pdu.DeliverSm | pdu.DataSm | pdu.QuerySm]

RESPONSES: dict[type[pdu.Body], type[pdu.Body]] = {
    pdu.SubmitSm: pdu.SubmitSmResp,
    pdu.DeliverSm: pdu.DeliverSmResp,
    pdu.DataSm: pdu.DataSmResp,
    pdu.QuerySm: pdu.QuerySmResp,
}
ASKED_BY_ESME: tuple[Asking, ...] = (pdu.SubmitSm, pdu.DataSm, pdu.QuerySm)
ASKED_BY_SMSC: tuple[Asking, ...] = (pdu.DeliverSm, pdu.DataSm)


def told(event: Event) -> Told:
    """An event in short."""
    match event:
        case SubmitAnswered() | RequestAnswered() | DeliverAnswered():
            return "answered", event.token, event.command_status
        case SubmitUnknown() | DeliverUnknown():
            return "unknown", event.token, event.reason
        case LateResponse():
            return "late", event.token
        case SubmitReceived() | RequestReceived() | DeliverReceived():
            return "received", event.sequence_number, type(event.pdu).__name__
        case BindRequested():
            return "bind requested", event.sequence_number, event.pdu.bind_mode
        case BindFailed():
            return "bind failed", event.reason, event.command_status
        case LinkDead() | Closed():
            return type(event).__name__, event.reason
        case ProtocolErrorSeen():
            return "error", event.kind
        case Bound() | PeerUnbound() | AlertReceived() | OutbindReceived():
            return (type(event).__name__,)


class BindMachine(RuleBasedStateMachine):
    """Rules: what an owner, a peer and a clock can do in any state. Subclasses choose the role."""

    server: ClassVar[bool]

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.next_token = 0
        self.next_number = 100
        self.connect(BindMode.TRANSCEIVER)

    def connect(self, mode: BindMode) -> None:
        """A new connection, of which nothing is known yet."""
        self.mode = mode
        self.state = OPEN
        self.steps = 0
        self.is_bound = False
        self.window = 2
        self.open: dict[int, float] = {}
        self.at_peer: dict[int, tuple[int, type[pdu.Body]]] = {}
        self.late: dict[int, tuple[int, type[pdu.Body]]] = {}
        self.waiting: list[tuple[int, type[pdu.Body]]] = []
        self.our_bind = self.our_unbind = self.their_unbind = 0
        self.state_deadline = self.now + BIND_TIMEOUT_S if self.server else None
        self.events: list[Told] = []
        self.sent: list[Told] = []
        limits: dict[str, Any] = {
            "window_size": self.window,
            "unanswered_max": UNANSWERED_MAX,
            "response_timeout_s": RESPONSE_TIMEOUT_S,
            "unbind_timeout_s": UNBIND_TIMEOUT_S,
            "enquire_link_s": 0.0,
            "inactivity_s": 0.0,
        }
        self.session: EsmeSession | SmscSession
        if self.server:
            self.session = SmscSession(SmscConfig(session_init_s=BIND_TIMEOUT_S, **limits), now=self.now)
        else:
            config = EsmeConfig(bind_mode=mode, bind_timeout_s=BIND_TIMEOUT_S, **limits)
            self.session = EsmeSession(config, now=self.now)

    # ------------------------------------------------------------------------------------------------------- the model

    def check(self, events: list[Event]) -> None:
        """What came is what was written down, and what was sent too."""
        assert [told(event) for event in events] == self.events
        assert self.read() == self.sent
        self.events, self.sent = [], []
        assert self.session.state is self.state

    def read(self) -> list[Told]:
        """What the session sent, as its peer reads it: (command, sequence_number or "ours", command_status)."""
        found: list[Told] = []
        data, offset = self.session.data_to_send(), 0
        while offset < len(data):
            outcome, offset = decode_next(data, offset)
            assert isinstance(outcome, pdu.Pdu), outcome
            number, body = outcome.sequence_number, outcome.body
            ours: int | str = "ours"
            match body:
                case pdu.SubmitSm() | pdu.DeliverSm() | pdu.DataSm():
                    self.at_peer[number] = int(body.service_type), type(body)
                case pdu.QuerySm():
                    self.at_peer[number] = int(body.message_id), type(body)
                case pdu.BindRequest():
                    assert body.bind_mode is self.mode
                    self.our_bind = number
                case pdu.Unbind():
                    self.our_unbind = number
                case pdu.Outbind() | pdu.AlertNotification():
                    pass
                case _:
                    ours = number
            found.append((type(body), ours, outcome.command_status))
        return found

    def feed(self, number: int, body: pdu.Body, status: int = 0) -> None:
        """The peer says this; what must come of it has been written down."""
        self.settle()
        self.check(self.session.receive_data(encode(pdu.Pdu(number, body, status)), self.now))

    def has_lived(self) -> bool:
        """Whether the session has had its share of traffic, so that it may end."""
        return self.state is not CLOSED and (self.steps > STEPS_BEFORE_THE_END or self.state not in BOUND.values())

    def number(self) -> int:
        """A new sequence number of the peer."""
        self.next_number += 1
        return self.next_number

    def settle(self) -> None:
        """Whoever wants to leave does, once nothing is in flight in either direction."""
        if not self.open and not self.waiting:
            self.leave()

    def leave(self) -> None:
        if self.state is DRAINING:
            self.unbind()
        elif self.state is PEER_UNBINDING:
            self.sent.append((pdu.UnbindResp, self.their_unbind, 0))
            self.close("peer_unbound")

    def unbind(self) -> None:
        self.sent.append((pdu.Unbind, "ours", 0))
        self.state, self.state_deadline = UNBINDING, self.now + UNBIND_TIMEOUT_S

    def close(self, reason: str) -> None:
        self.events += [("unknown", token, "connection_lost") for token in self.open]
        self.events.append(("Closed", reason))
        self.open.clear()
        self.waiting.clear()
        self.state, self.state_deadline = CLOSED, None

    def bound(self) -> None:
        self.state, self.state_deadline, self.is_bound = BOUND[self.mode], None, True

    def in_traffic(self, *, theirs: bool) -> bool:
        """Whether requests of one side are in order now; those of the peer also while somebody is leaving."""
        from_esme = self.server is theirs
        right_mode = self.mode.transmits if from_esme else self.mode.receives
        return right_mode and (self.state is BOUND[self.mode] or (theirs and self.state in LEAVING and self.is_bound))

    # --------------------------------------------------------------------------------------------------------- binding

    @initialize(mode=st.sampled_from(BindMode), how_far=st.sampled_from(HOW_FAR))
    def begins(self, mode: BindMode, how_far: str) -> None:
        self.connect_and_go(mode, how_far)

    def connect_and_go(self, mode: BindMode, how_far: str) -> None:
        """A new connection, most often one with a bind that stands."""
        self.connect(mode)
        if how_far != "open":
            self.bind_is_requested(mode)
        if how_far == "bound":
            self.bind_is_accepted()

    def bind_is_requested(self, mode: BindMode) -> None:
        if self.server:
            self.peer_binds(mode)
        else:
            self.owner_binds()

    def bind_is_accepted(self) -> None:
        if self.server:
            self.owner_accepts_bind()
        else:
            self.peer_answers_bind(0, body=True)

    @precondition(lambda self: not self.server)
    @rule()
    def owner_binds(self) -> None:
        assert isinstance(self.session, EsmeSession)
        if self.state is OPEN:
            self.sent.append((pdu.bind_request_class(self.mode), "ours", 0))
            self.state, self.state_deadline = BINDING, self.now + BIND_TIMEOUT_S
            self.session.bind(self.now)
        else:
            with pytest.raises(WrongState):
                self.session.bind(self.now)
        self.check([])

    @precondition(lambda self: not self.server and self.state is BINDING)
    @rule(status=st.sampled_from((0, 0, *REFUSALS)), body=st.booleans())
    def peer_answers_bind(self, status: int, body: bool) -> None:
        if status:
            self.events.append(("bind failed", "refused", status))
            self.close("bind_failed")
        else:
            self.bound()
            self.events.append(("Bound",))
        header = encode(pdu.Pdu(self.our_bind, pdu.bind_response_class(self.mode)(), status))
        frame = header if body else (16).to_bytes(4, "big") + header[4:16]
        self.check(self.session.receive_data(frame, self.now))

    @precondition(lambda self: not self.server and self.state is BINDING)
    @rule(status=st.sampled_from(REFUSALS))
    def peer_nacks_bind(self, status: int) -> None:
        self.events.append(("bind failed", "generic_nack", status))
        self.close("bind_failed")
        self.feed(self.our_bind, pdu.GenericNack(), status)

    @precondition(lambda self: not self.server and self.state is BINDING)
    @rule()
    def peer_answers_another_bind(self) -> None:
        self.events.append(("error", "unexpected_response"))
        other = BindMode.RECEIVER if self.mode is not BindMode.RECEIVER else BindMode.TRANSCEIVER
        self.feed(self.our_bind, pdu.bind_response_class(other)())

    @precondition(lambda self: self.server and self.state is not CLOSED)
    @rule(mode=st.sampled_from(BindMode))
    def peer_binds(self, mode: BindMode) -> None:
        number = self.number()
        if self.state is OPEN:
            self.mode, self.state = mode, BINDING
            self.bind_number = number
            self.events.append(("bind requested", number, mode))
        else:
            status = Status.ESME_RALYBND if self.state in BOUND.values() else Status.ESME_RINVBNDSTS
            self.sent.append((pdu.bind_response_class(mode), number, status))
            self.events.append(("error", "wrong_state"))
        self.feed(number, pdu.bind_request_class(mode)())

    @precondition(lambda self: self.server)
    @rule()
    def owner_accepts_bind(self) -> None:
        assert isinstance(self.session, SmscSession)
        if self.state is BINDING:
            self.sent.append((pdu.bind_response_class(self.mode), self.bind_number, 0))
            self.bound()
            self.session.accept_bind(self.now)
        else:
            with pytest.raises(WrongState):
                self.session.accept_bind(self.now)
        self.check([])

    @precondition(lambda self: self.server)
    @rule(status=st.sampled_from(REFUSALS))
    def owner_refuses_bind(self, status: int) -> None:
        assert isinstance(self.session, SmscSession)
        if self.state is BINDING:
            self.sent.append((pdu.bind_response_class(self.mode), self.bind_number, status))
            self.close("bind_failed")
            self.check(self.session.refuse_bind(status, self.now))
        else:
            with pytest.raises(WrongState):
                self.session.refuse_bind(status, self.now)
            self.check([])

    @rule()
    def smsc_asks_for_a_bind_or_tells_of_a_handset(self) -> None:
        """outbind and alert_notification, which have no answer."""
        outbind, alert = pdu.Outbind("smsc"), pdu.AlertNotification()
        receives = self.in_traffic(theirs=not self.server)
        if isinstance(self.session, SmscSession):
            assert self.session.alert(alert, self.now) is receives
            self.sent += [(pdu.AlertNotification, "ours", 0)] if receives else []
            if self.state is OPEN:
                self.session.outbind(outbind, self.now)
                self.sent.append((pdu.Outbind, "ours", 0))
            else:
                with pytest.raises(WrongState):
                    self.session.outbind(outbind, self.now)
            self.check([])
        elif self.state is not CLOSED:
            self.events.append(("AlertReceived",) if receives else ("error", "wrong_state"))
            self.feed(self.number(), alert)
            self.events.append(("OutbindReceived",) if self.state is OPEN else ("error", "wrong_state"))
            self.feed(self.number(), outbind)

    # --------------------------------------------------------------------------------------------------------- traffic

    @rule(kind=st.integers(0, 2))
    def owner_asks(self, kind: int) -> None:
        token, name = self.next_token, str(self.next_token)
        if isinstance(self.session, SmscSession):
            delivery = (pdu.DeliverSm(service_type=name), pdu.DataSm(service_type=name))[kind % 2]
            asking: type[pdu.Body] = type(delivery)
            accepted = self.session.deliver(token, delivery, self.now)
        else:
            request = (pdu.SubmitSm(service_type=name), pdu.DataSm(service_type=name), pdu.QuerySm(name))[kind]
            asking = type(request)
            accepted = self.session.request(token, request, self.now)
        assert accepted == (self.in_traffic(theirs=False) and len(self.open) < self.window)
        if accepted:
            self.next_token += 1
            self.open[token] = self.now + RESPONSE_TIMEOUT_S
            self.sent.append((asking, "ours", 0))
        self.check([])

    @precondition(lambda self: self.state is not CLOSED)
    @rule(
        data=st.data(),
        asked_now=st.integers(0, 2),
        how=st.sampled_from(("rightly", "nack", "wrongly")),
        status=st.sampled_from((0, 0x58, 0x401)),
    )
    def peer_answers(self, data: st.DataObject, asked_now: int, how: str, status: int) -> None:
        if not self.at_peer:
            self.owner_asks(asked_now)
        if not self.at_peer:
            return
        number = data.draw(st.sampled_from(sorted(self.at_peer)))
        token, asked = self.at_peer[number]
        if how == "wrongly":
            self.events.append(("error", "unexpected_response"))
            wrong = pdu.CancelSmResp if data.draw(st.booleans()) else RESPONSES[pdu.QuerySm]
            self.feed(number, wrong() if asked is not pdu.QuerySm else pdu.SubmitSmResp(), status)
            return
        del self.at_peer[number]
        if token in self.open:
            del self.open[token]
            self.events.append(("answered", token, status))
        else:
            self.events.append(("late", token))
        self.feed(number, pdu.GenericNack() if how == "nack" else RESPONSES[asked](), status)

    @precondition(lambda self: self.state is not CLOSED)
    @rule(kind=st.integers(0, 2))
    def peer_asks(self, kind: int) -> None:
        asking: Asking = ASKED_BY_ESME[kind] if self.server else ASKED_BY_SMSC[kind % 2]
        number = self.number()
        refused = self.refused_in_state()
        if not self.in_traffic(theirs=True):
            self.events.append(("error", "wrong_state"))
        if refused is None and len(self.waiting) >= UNANSWERED_MAX:
            self.events.append(("error", "over_limit"))
            refused = Status.ESME_RTHROTTLED if self.server else Status.ESME_RX_T_APPN
        if refused is None:
            self.events.append(("received", number, asking.__name__))
            self.waiting.append((number, asking))
        else:
            self.sent.append((RESPONSES[asking], number, refused))
        self.feed(number, asking())

    def refused_in_state(self) -> int | None:
        """The status for a request of the peer that comes at the wrong time; a receipt on a transmitter is taken."""
        if self.in_traffic(theirs=True):
            return None
        if self.server or not self.is_bound:
            return Status.ESME_RINVBNDSTS
        return Status.ESME_RX_T_APPN if self.state is UNBINDING else None

    @precondition(lambda self: self.state is not CLOSED)
    @rule()
    def peer_plays_our_part(self) -> None:
        number = self.number()
        self.sent.append((pdu.GenericNack, number, Status.ESME_RINVCMDID))
        self.events.append(("error", "wrong_state"))
        self.feed(number, pdu.DeliverSm() if self.server else pdu.SubmitSm())

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), status=st.sampled_from((0, 0x58, 0x401)))
    def owner_answers(self, data: st.DataObject, status: int) -> None:
        number, asked = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
        if not isinstance(self.session, SmscSession):
            assert self.session.answer_deliver(number, status)
        elif asked is pdu.SubmitSm:
            assert self.session.answer_submit(number, status, "id")
        else:
            assert self.session.answer(number, RESPONSES[asked](), status)
        self.sent.append((RESPONSES[asked], number, status))
        if self.state in LEAVING:
            assert self.session.next_deadline() == AT_ONCE
            self.settle()
            self.check(self.session.handle_timer(self.now))
        else:
            self.check([])

    @rule(size=st.integers(0, 4))
    def owner_resizes_the_window(self, size: int) -> None:
        self.window = size
        self.session.resize_window(size)
        self.check([])

    # --------------------------------------------------------------------------------------------------------- leaving

    @precondition(lambda self: self.has_lived() or self.state is CLOSED)
    @rule(busy=st.booleans(), at_once=st.booleans(), crossing=st.booleans())
    def owner_leaves(self, busy: bool, at_once: bool, crossing: bool) -> None:
        if busy:
            self.owner_asks(0)
        if self.state in (OPEN, BINDING):
            self.close("unbound")
        elif at_once and self.state in (*BOUND.values(), DRAINING):
            self.unbind()
        elif self.state in BOUND.values():
            self.state, self.state_deadline = DRAINING, self.now + RESPONSE_TIMEOUT_S
            self.settle()
        self.check(self.session.unbind(self.now) if at_once else self.session.drain(self.now))
        if crossing and self.state is not CLOSED:
            self.peer_unbinds(busy=False)

    @precondition(lambda self: self.has_lived())
    @rule(busy=st.booleans())
    def peer_unbinds(self, busy: bool) -> None:
        if busy:
            self.owner_asks(0)
        number = self.number()
        if self.state in (UNBINDING, PEER_UNBINDING):
            self.sent.append((pdu.UnbindResp, number, 0))
        else:
            self.events.append(("PeerUnbound",))
            self.their_unbind = number
            self.state, self.state_deadline = PEER_UNBINDING, self.now + UNBIND_TIMEOUT_S
        self.feed(number, pdu.Unbind())

    @precondition(lambda self: self.state is not CLOSED and self.our_unbind)
    @rule()
    def peer_answers_unbind(self) -> None:
        self.close("unbound")
        self.feed(self.our_unbind, pdu.UnbindResp())

    @precondition(lambda self: self.state is not CLOSED)
    @rule()
    def peer_enquires(self) -> None:
        number = self.number()
        self.sent.append((pdu.EnquireLinkResp, number, 0))
        self.feed(number, pdu.EnquireLink())

    @precondition(lambda self: self.has_lived())
    @rule(command_length=st.sampled_from((None, 0, 15, COMMAND_LENGTH_MAX + 1, 0xFFFFFFFF)))
    def connection_or_framing_is_lost(self, command_length: int | None) -> None:
        if command_length is None:
            self.close("connection_lost")
            self.check(self.session.connection_lost(self.now))
            return
        self.events.append(("error", "framing_lost"))
        self.close("framing_lost")
        self.sent.append((pdu.GenericNack, 0, Status.ESME_RINVCMDLEN))
        self.check(self.session.receive_data(command_length.to_bytes(4, "big") + bytes(12), self.now))

    @precondition(lambda self: self.state is CLOSED)
    @rule(mode=st.sampled_from(BindMode), how_far=st.sampled_from(HOW_FAR))
    def reconnects(self, mode: BindMode, how_far: str) -> None:
        """What comes after the end is ignored; then a new connection."""
        assert self.session.receive_data(encode(pdu.Pdu(1, pdu.EnquireLink())), self.now) == []
        self.check(self.session.handle_timer(self.now))
        self.connect_and_go(mode, how_far)

    # ------------------------------------------------------------------------------------------------------- the clock

    def next_deadline(self) -> float | None:
        deadlines = [*self.open.values(), *([] if self.state_deadline is None else [self.state_deadline])]
        return min(deadlines, default=None)

    @rule(seconds=st.sampled_from((0.5, 4.5, 5.0, 9.5, 20.0)))
    def time_passes(self, seconds: float) -> None:
        end = self.now + seconds
        while (deadline := self.next_deadline()) is not None and deadline <= end:
            self.now = deadline
            self.fire()
        self.now = end
        self.fire()

    def fire(self) -> None:
        """What is due now must happen, and nothing else."""
        for token in [token for token, deadline in self.open.items() if deadline <= self.now]:
            del self.open[token]
            self.events.append(("unknown", token, "no_response"))
        if self.state_deadline is not None and self.state_deadline <= self.now:
            self.state_lasted_too_long()
        self.settle()
        self.check(self.session.handle_timer(self.now))

    def state_lasted_too_long(self) -> None:
        if self.state is UNBINDING:
            self.close("unbound")
        elif self.state in LEAVING:
            self.leave()
        elif self.server:
            self.events.append(("LinkDead", "session_init"))
            self.close("link_dead")
        else:
            self.events.append(("bind failed", "no_response", None))
            self.close("bind_failed")

    # ------------------------------------------------------------------------------------------------------ invariants

    @invariant()
    def the_session_is_as_the_model(self) -> None:
        self.steps += 1
        session, is_bound = self.session, self.state in BOUND.values()
        assert session.state is self.state
        assert (session.is_bound, session.is_closed) == (is_bound, self.state is CLOSED)
        assert session.in_flight == len(self.open)
        assert session.unanswered == len(self.waiting)
        assert session.window_free == (max(0, self.window - len(self.open)) if is_bound else 0)
        assert session.next_deadline() == self.next_deadline()
        assert session.bind_mode is (self.mode if self.is_bound else None)


class EsmeBindMachine(BindMachine):
    """The session is the client's."""

    server = False


class SmscBindMachine(BindMachine):
    """The session is the server's."""

    server = True


BIND_MACHINES: dict[str, type[BindMachine]] = {"esme": EsmeBindMachine, "smsc": SmscBindMachine}
