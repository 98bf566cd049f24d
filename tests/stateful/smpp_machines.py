"""A model of the peer and the owner of an SMPP session, for hypothesis: one machine, played in either role.

The machine knows what it asked and what the peer said, so it can tell which outcome each token must have, and when.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared.smpp import pdu
from shared.smpp.codec import decode_next, encode
from shared.smpp.config import EsmeConfig, SmscConfig
from shared.smpp.constants import SEQUENCE_NUMBER_MAX
from shared.smpp.events import (
    BindRequested,
    Bound,
    Closed,
    DeliverAnswered,
    DeliverReceived,
    DeliverUnknown,
    Event,
    LateResponse,
    LinkDead,
    PeerUnbound,
    ProtocolErrorSeen,
    SubmitAnswered,
    SubmitReceived,
    SubmitUnknown,
)
from shared.smpp.server_session import SmscSession
from shared.smpp.session import EsmeSession
from shared.smpp.transitions import SessionState

WINDOW = 3
RESPONSE_TIMEOUT_S = 20.0
INACTIVITY_S = 60.0
STATUSES = (0, 0, 0, 0x08, 0x14, 0x58, 0x401, 0xFFFFFFFF)
FIRST_SEQUENCE_NUMBER = SEQUENCE_NUMBER_MAX - 2
"""Close to the wrap, so that every run passes it."""


class SmppMachine(RuleBasedStateMachine):
    """Rules: what an owner, a peer, a network and a clock can do. Subclasses choose the role."""

    server: ClassVar[bool]

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.next_token = 0
        self.connect()

    # ------------------------------------------------------------------------------------------------------- the model

    def connect(self) -> None:
        """A new connection; the tokens of the old one must all have ended."""
        self.open: dict[int, float] = {}
        self.at_peer: dict[int, int] = {}
        self.late: dict[int, int] = {}
        self.answered: list[pdu.Pdu] = []
        self.said: dict[int, int] = {}
        self.waiting: list[int] = []
        self.asked_by_peer: dict[int, int] = {}
        self.enquired: list[int] = []
        self.heard_at = self.now
        self.closed = False
        self.peer_unbinds = False
        self.peer_sequence_number = 1000
        times: dict[str, Any] = {
            "window_size": WINDOW,
            "response_timeout_s": RESPONSE_TIMEOUT_S,
            "enquire_link_s": 20.0,
            "enquire_link_timeout_s": 7.0,
            "inactivity_s": INACTIVITY_S,
            "first_sequence_number": FIRST_SEQUENCE_NUMBER,
        }
        self.session: EsmeSession | SmscSession
        if self.server:
            self.session = SmscSession(SmscConfig(**times), now=self.now)
            self.handle(self.session.receive_data(encode(pdu.Pdu(7, pdu.BindTransceiver("shop"))), self.now))
            self.session.accept_bind(self.now)
            self.session.data_to_send()
        else:
            self.session = EsmeSession(EsmeConfig(**times), now=self.now)
            self.session.bind(self.now)
            (request,) = self.sent()
            self.handle(
                self.session.receive_data(encode(pdu.Pdu(request.sequence_number, pdu.BindTransceiverResp())), self.now)
            )

    def sent(self) -> list[pdu.Pdu]:
        found = []
        data = self.session.data_to_send()
        offset = 0
        while offset < len(data):
            outcome, offset = decode_next(data, offset)
            assert isinstance(outcome, pdu.Pdu), outcome
            found.append(outcome)
        return found

    def feed(self, cut: int, *pdus: pdu.Pdu) -> None:
        """The peer speaks; the network cuts its octets in two."""
        data = b"".join(encode(one) for one in pdus)
        cut %= len(data) + 1
        for piece in (data[:cut], data[cut:]):
            if piece and not self.closed:
                self.heard_at = self.now
                self.handle(self.session.receive_data(piece, self.now))
        self.look()

    def handle(self, events: Iterable[Event]) -> None:
        for event in events:
            assert not self.closed, f"{event} after Closed"
            match event:
                case (
                    SubmitAnswered(token=token, command_status=status, sequence_number=number)
                    | DeliverAnswered(token=token, command_status=status, sequence_number=number)
                ):
                    assert self.said.pop(token) == status, "the answer of another request"
                    assert number not in self.late
                    del self.open[token]
                case SubmitUnknown(token=token, reason=reason) | DeliverUnknown(token=token, reason=reason):
                    sent_at = self.open.pop(token)
                    if reason == "no_response":
                        assert self.now >= sent_at + RESPONSE_TIMEOUT_S, "given up too early"
                        self.forget(token)
                case LateResponse(sequence_number=number, token=token):
                    assert self.late.pop(number) == token
                case DeliverReceived(sequence_number=number) | SubmitReceived(sequence_number=number):
                    self.asked_by_peer[number] -= 1
                    self.waiting.append(number)
                case Closed():
                    self.closed = True
                    assert not self.open, "tokens without an outcome"
                case Bound() | BindRequested() | PeerUnbound() | LinkDead() | ProtocolErrorSeen():
                    pass
                case _:
                    raise AssertionError(f"unexpected {event}")

    def forget(self, token: int) -> None:
        for number, other in list(self.at_peer.items()):
            if other == token:
                del self.at_peer[number]
                self.late[number] = token

    def look(self) -> None:
        """Read what the session sent, as the peer does."""
        for one in self.sent():
            number = one.sequence_number
            match one.body:
                case pdu.SubmitSm(service_type=token) | pdu.DeliverSm(service_type=token):
                    assert 1 <= number <= SEQUENCE_NUMBER_MAX
                    assert number not in self.at_peer, "sequence_number in flight used again"
                    assert number not in self.late, "sequence_number of a late answer used again"
                    self.at_peer[number] = int(token)
                case pdu.EnquireLinkResp():
                    self.enquired.remove(number)
                case pdu.UnbindResp():
                    self.peer_unbinds = False
                case pdu.SubmitSmResp() | pdu.DeliverSmResp():
                    if number in self.asked_by_peer and self.asked_by_peer[number] > 0:
                        self.asked_by_peer[number] -= 1  # refused by the session itself
                case pdu.EnquireLink() | pdu.Unbind() | pdu.GenericNack():
                    pass
                case other:
                    raise AssertionError(f"sent {other}")

    def response(self, number: int, status: int, nack: bool) -> pdu.Pdu:
        if nack:
            return pdu.Pdu(number, pdu.GenericNack(), status)
        return pdu.Pdu(number, pdu.DeliverSmResp() if self.server else pdu.SubmitSmResp(f"{number:x}"), status)

    def answer(self, number: int, status: int, nack: bool) -> pdu.Pdu:
        self.said[self.at_peer.pop(number)] = status
        response = self.response(number, status, nack)
        self.answered.append(response)
        return response

    # -------------------------------------------------------------------------------------------------------- the owner

    @rule(count=st.integers(1, 2 * WINDOW))
    def ask(self, count: int) -> None:
        for _ in range(count):
            token, self.next_token = self.next_token, self.next_token + 1
            accepted = self.ask_session(token)
            room = len(self.open) < WINDOW and self.session.state is SessionState.BOUND_TRX
            assert accepted == room, "the window is not what it should be"
            if accepted:
                self.open[token] = self.now
        self.look()

    def ask_session(self, token: int) -> bool:
        if isinstance(self.session, SmscSession):
            return self.session.deliver(token, pdu.DeliverSm(service_type=str(token)), self.now)
        return self.session.submit(token, pdu.SubmitSm(service_type=str(token)), self.now)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), status=st.sampled_from(STATUSES))
    def owner_answers(self, data: st.DataObject, status: int) -> None:
        number = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
        assert self.answer_session(number, status) is not self.closed
        if not self.closed:
            answers = [one for one in self.peek() if one.sequence_number == number]
            assert [one.command_status for one in answers] == [status]
            assert self.waiting.count(number) > 0 or not self.answer_session(number, 0), "answered twice"
        self.fire_if_due()

    def answer_session(self, number: int, status: int) -> bool:
        if isinstance(self.session, SmscSession):
            return self.session.answer_submit(number, status, "id")
        return self.session.answer_deliver(number, status)

    def peek(self) -> list[pdu.Pdu]:
        found = self.sent()
        self.session.send_raw(b"".join(encode(one) for one in found))
        kind = pdu.SubmitSmResp if self.server else pdu.DeliverSmResp
        return [one for one in found if isinstance(one.body, kind)]

    @precondition(lambda self: not self.closed)
    @rule()
    def owner_drains(self) -> None:
        self.handle(self.session.drain(self.now))
        self.look()

    # --------------------------------------------------------------------------------------------------------- the peer

    @precondition(lambda self: self.at_peer and not self.closed)
    @rule(data=st.data(), status=st.sampled_from(STATUSES), nack=st.booleans(), cut=st.integers(0, 100))
    def peer_answers_any(self, data: st.DataObject, status: int, nack: bool, cut: int) -> None:
        number = data.draw(st.sampled_from(sorted(self.at_peer)))
        self.feed(cut, self.answer(number, status, nack))

    @precondition(lambda self: self.at_peer and not self.closed)
    @rule(cut=st.integers(0, 100))
    def peer_answers_all_at_once(self, cut: int) -> None:
        self.feed(cut, *[self.answer(number, 0, False) for number in list(self.at_peer)])

    @precondition(lambda self: self.at_peer and self.session.state is SessionState.BOUND_TRX)
    @rule(times=st.integers(2, 6))
    def newest_is_answered_again_and_again(self, times: int) -> None:
        """The oldest stays open while sequence numbers move on: finds numbers that are used again."""
        for _ in range(times):
            if len(self.at_peer) > 1:
                self.feed(0, self.answer(list(self.at_peer)[-1], 0, False))
            self.ask(1)

    @precondition(lambda self: (self.answered or self.late) and not self.closed)
    @rule(data=st.data())
    def peer_answers_again_or_late(self, data: st.DataObject) -> None:
        if bool(self.late) and data.draw(st.booleans()):
            number = data.draw(st.sampled_from(sorted(self.late)))
            self.feed(0, self.response(number, 0, False))
            assert number not in self.late
        elif self.answered:
            old = data.draw(st.sampled_from(self.answered))
            if old.sequence_number not in self.at_peer and old.sequence_number not in self.late:
                self.feed(0, old)

    @precondition(lambda self: not self.closed)
    @rule(count=st.integers(1, 4), cut=st.integers(0, 300), repeat=st.booleans())
    def peer_asks(self, count: int, cut: int, repeat: bool) -> None:
        bodies: dict[bool, type[pdu.SubmitSm | pdu.DeliverSm]] = {True: pdu.SubmitSm, False: pdu.DeliverSm}
        numbers = []
        for _ in range(count):
            self.peer_sequence_number += 0 if repeat else 1
            numbers.append(self.peer_sequence_number)
            self.asked_by_peer[numbers[-1]] = self.asked_by_peer.get(numbers[-1], 0) + 1
        body = bodies[self.server](short_message=b"hello")
        self.feed(cut, *[pdu.Pdu(number, body) for number in numbers])
        if not self.closed:
            assert all(left == 0 for left in self.asked_by_peer.values()), "a request of the peer was lost"

    @precondition(lambda self: not self.closed)
    @rule(cut=st.integers(0, 32))
    def peer_enquires(self, cut: int) -> None:
        numbers = [self.peer_sequence_number + 1, self.peer_sequence_number + 2]
        self.peer_sequence_number += 2
        self.enquired += numbers
        self.feed(cut, *[pdu.Pdu(number, pdu.EnquireLink()) for number in numbers])
        assert self.closed or not self.enquired, "an enquire_link was not answered"

    @precondition(lambda self: not self.closed)
    @rule()
    def peer_sends_what_nobody_knows(self) -> None:
        self.heard_at = self.now
        frame = bytes.fromhex("00000012 00000099 00000000 00000005 6162")
        self.handle(self.session.receive_data(frame, self.now))
        assert any(isinstance(one.body, pdu.GenericNack) for one in self.sent_and_keep())
        self.look()

    def sent_and_keep(self) -> list[pdu.Pdu]:
        found = self.sent()
        self.session.send_raw(b"".join(encode(one) for one in found))
        return found

    @precondition(lambda self: not self.closed)
    @rule()
    def peer_unbinds_now(self) -> None:
        self.peer_unbinds = True
        self.peer_sequence_number += 1
        self.feed(0, pdu.Pdu(self.peer_sequence_number, pdu.Unbind()))

    # ------------------------------------------------------------------------------------------- the clock, the network

    @rule(seconds=st.sampled_from((0.5, 3.0, 7.0, 19.5, 20.0, 61.0)))
    def time_passes(self, seconds: float) -> None:
        end = self.now + seconds
        for _ in range(100):
            deadline = self.session.next_deadline()
            if deadline is None or deadline > end:
                break
            self.now = max(self.now, deadline)
            self.handle(self.session.handle_timer(self.now))
            self.look()
        else:
            raise AssertionError("a deadline that never passes")
        self.now = end
        self.handle(self.session.handle_timer(end))  # more often than asked for is harmless
        self.look()

    @precondition(lambda self: self.open and not self.closed)
    @rule(early_s=st.sampled_from((0.1, 0.9)))
    def the_oldest_is_almost_overdue(self, early_s: float) -> None:
        """Just before a deadline nothing has ended yet, unless the peer was given up first."""
        oldest = min(self.open, key=lambda token: self.open[token])
        almost = self.open[oldest] + RESPONSE_TIMEOUT_S - early_s
        if almost > self.now:
            self.time_passes(almost - self.now)
        assert oldest in self.open or self.closed

    @precondition(lambda self: self.at_peer and not self.closed)
    @rule()
    def an_answer_comes_too_late(self) -> None:
        """The peer is alive, so that the link stands, and slow."""
        self.peer_enquires(0)
        self.time_passes(RESPONSE_TIMEOUT_S)
        if self.late and not self.closed:
            number = next(iter(self.late))
            self.feed(0, self.response(number, 0, False))
            assert number not in self.late, "a late answer was not told"

    def fire_if_due(self) -> None:
        deadline = self.session.next_deadline()
        if deadline is not None and deadline <= self.now:
            self.handle(self.session.handle_timer(self.now))
        self.look()

    @precondition(lambda self: self.next_token > 2 * WINDOW)
    @rule()
    def connection_breaks(self) -> None:
        self.handle(self.session.connection_lost(self.now))
        assert self.closed
        self.connect()

    @precondition(lambda self: self.closed)
    @rule()
    def owner_reconnects(self) -> None:
        assert self.session.connection_lost(self.now) == []
        self.connect()

    # ------------------------------------------------------------------------------------------------------- invariants

    @invariant()
    def every_accepted_token_is_in_flight_or_ended(self) -> None:
        assert self.session.in_flight == len(self.open) <= WINDOW

    @invariant()
    def nobody_waits_beyond_the_response_timeout(self) -> None:
        assert all(self.now < sent_at + RESPONSE_TIMEOUT_S for sent_at in self.open.values())

    @invariant()
    def a_silent_peer_is_given_up(self) -> None:
        assert self.closed or self.now < self.heard_at + INACTIVITY_S

    @invariant()
    def unanswered_requests_of_the_peer_are_counted(self) -> None:
        assert self.closed or self.session.unanswered == len(self.waiting)

    @invariant()
    def an_unbind_of_the_peer_is_answered(self) -> None:
        assert not (self.closed and self.peer_unbinds and self.session_ended_politely()), "unbind was not answered"

    def session_ended_politely(self) -> bool:
        return self.now < self.heard_at + 6.0


class EsmeMachine(SmppMachine):
    """The session is the client's."""

    server = False

    @initialize()
    def bound(self) -> None:
        assert self.session.is_bound


class SmscMachine(SmppMachine):
    """The session is the server's."""

    server = True

    @initialize()
    def bound(self) -> None:
        assert self.session.is_bound


MACHINES: dict[str, type[SmppMachine]] = {"esme": EsmeMachine, "smsc": SmscMachine}
