"""Faults to plant in the sessions, each as the replacement of one function; the machines must catch every one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from shared.smpp import session, session_core
from shared.smpp.constants import BindMode, SmppCommand
from shared.smpp.hot import encode_deliver_sm_resp
from shared.smpp.keepalive import KeepAlive
from shared.smpp.server_session import SmscSession
from shared.smpp.session import EsmeSession
from shared.smpp.session_core import SessionCore
from shared.smpp.transitions import BOUND_AS, BOUND_STATES, REQUEST_STATES, TRANSITIONS, Role, SessionState, Trigger
from shared.smpp.window import InFlight, Window

Fault = tuple[Any, Any, Any]
"""Owner (a class, a module, a table), name or key, what to put there."""

_answer = Window.answer
_expire = Window.expire
_receive_frames = SessionCore._receive_frames
_receive_unbind = SessionCore._receive_unbind
_finish_unbinding = SessionCore._finish_unbinding
_on_control_response = EsmeSession._on_control_response
_due = KeepAlive.due


def _keeps_answered(self: Window, number: int, response_id: int | None) -> InFlight | None:
    return self._in_flight.get(number)


def _answers_the_oldest(self: Window, number: int, response_id: int | None) -> InFlight | None:
    return _answer(self, next(iter(self._in_flight), number), response_id)


def _forgets_on_close(self: Window) -> list[InFlight]:
    self._in_flight.clear()
    return []


def _expired_stay(self: Window, now: float) -> list[InFlight]:
    before = dict(self._in_flight)
    expired = _expire(self, now)
    self._in_flight.update({number: one for number, one in before.items() if one in expired})
    return expired


def _expires_early(self: Window, now: float) -> list[InFlight]:
    return _expire(self, now + 1.0)


def _cycles_through_four(self: Window) -> int:
    self._next = self._next % 4 + 1
    return self._next


def _drops_the_rest_of_a_chunk(self: SessionCore[Any], data: bytes, events: list[Any]) -> int:
    length = int.from_bytes(data[:4], "big")
    _receive_frames(self, data[:length], events)
    return len(data) if len(data) >= length else 0


def _drops_an_incomplete_tail(self: SessionCore[Any], data: bytes, events: list[Any]) -> int:
    _receive_frames(self, data, events)
    return len(data)


def _vendor_status_raises(role: type[SessionCore[Any]]) -> Callable[..., Any]:
    original = role._on_role_response

    def raises(self: SessionCore[Any], command_id: int, status: int, number: int, frame: bytes) -> Any:
        if status > 0xFF:
            raise AssertionError(f"{status} is not a valid command_status")
        return original(self, command_id, status, number, frame)

    return raises


def _answers_twice(self: SessionCore[Any], number: int) -> int | None:
    ids = self._unanswered.get(number)
    return ids[0] if ids else None


def _never_gives_up(self: KeepAlive, now: float) -> str:
    action = _due(self, now)
    if action in ("none", "enquire_link"):
        return action
    self.heard(now)
    return "none"


def _leaves_without_a_word(self: SessionCore[Any], events: list[Any], *, time_is_up: bool = False) -> None:
    if self.state.value == "peer_unbinding":
        self._close(Trigger.UNBOUND, "peer_unbound", events)


FAULTS: dict[str, Fault] = {
    "window off by one": (Window, "free", property(lambda self: max(0, self.size + 1 - len(self._in_flight)))),
    "in flight forgotten on close": (Window, "abandon", _forgets_on_close),
    "timeout leaves the slot occupied": (Window, "expire", _expired_stay),
    "given up too early": (Window, "expire", _expires_early),
    "never given up": (Window, "expire", lambda self, now: []),
    "a second response answers again": (Window, "answer", _keeps_answered),
    "the oldest is answered instead": (Window, "answer", _answers_the_oldest),
    "sequence number used again while in flight": (Window, "take_sequence_number", _cycles_through_four),
    "sequence numbers do not wrap": (Window, "take_sequence_number", lambda self: _never_wraps(self)),
    "rest of a chunk dropped": (SessionCore, "_receive_frames", _drops_the_rest_of_a_chunk),
    "incomplete tail dropped": (SessionCore, "_receive_frames", _drops_an_incomplete_tail),
    "vendor status raises in the client": (EsmeSession, "_on_role_response", _vendor_status_raises(EsmeSession)),
    "vendor status raises in the server": (SmscSession, "_on_role_response", _vendor_status_raises(SmscSession)),
    "requests of the peer answered twice": (SessionCore, "_take_unanswered", _answers_twice),
    "enquire_link not answered": (session_core, "_ENQUIRE_LINK", 0x16),
    "a silent peer is never given up": (KeepAlive, "due", _never_gives_up),
    "a timer that does nothing": (KeepAlive, "due", lambda self, now: "none"),
    "unbind of the peer not answered": (SessionCore, "_finish_unbinding", _leaves_without_a_word),
    "late answers taken for unknown ones": (Window, "forget_late", lambda self, number, response_id: None),
    "unknown PDUs not answered": (SessionCore, "_refuse_unparsable", lambda self, request, events: None),
}


def _never_wraps(self: Window) -> int:
    self._next += 1
    return self._next


def _binds_whatever_the_status(self: EsmeSession, command_id: int, response: Any, events: list[Any]) -> None:
    _on_control_response(self, command_id, replace(response, command_status=0), events)


def _waits_for_ever(self: SessionCore[Any], events: list[Any]) -> None:
    self._state_deadline = None


def _silently(original: Callable[..., None]) -> Callable[..., None]:
    """Does its work and tells nobody."""
    return lambda self, *arguments: original(self, *arguments[:-1], [])


def _repeats_the_unbind(self: SessionCore[Any], number: int, events: list[Any]) -> None:
    if self.state is SessionState.UNBINDING:
        return
    _receive_unbind(self, number, events)


def _leaves_at_once(self: SessionCore[Any], events: list[Any], *, time_is_up: bool = False) -> None:
    _finish_unbinding(self, events, time_is_up=self._is_leaving)


def _answers_whatever_was_asked(self: Window, number: int, response_id: int | None) -> InFlight | None:
    return _answer(self, number, None)


def _needs_the_kind(self: Window, number: int, response_id: int | None) -> InFlight | None:
    return None if response_id is None else _answer(self, number, response_id)


def _always_deliver_sm_resp(number: int, status: int, response_id: int) -> bytes:
    return encode_deliver_sm_resp(number, status)


def _goes_on_behind_nonsense(self: SessionCore[Any], data: bytes, events: list[Any]) -> int:
    length = int.from_bytes(data[:4], "big")
    return _receive_frames(self, data, events) if 16 <= length <= 0x10400 else len(data)


_state, _trigger = SessionState, Trigger
_esme, _smsc = REQUEST_STATES[Role.ESME], REQUEST_STATES[Role.SMSC]

STATE_FAULTS: dict[str, Fault] = {
    "a transmitter is bound as a receiver": (
        BOUND_AS,
        BindMode.TRANSMITTER,
        (_trigger.BOUND_AS_RECEIVER, _state.BOUND_RX),
    ),
    "a receiver is bound as a transceiver": (
        BOUND_AS,
        BindMode.RECEIVER,
        (_trigger.BOUND_AS_TRANSCEIVER, _state.BOUND_TRX),
    ),
    "a bind may be asked for twice": (TRANSITIONS, (_state.OPEN, _trigger.BIND_REQUESTED), _state.OPEN),
    "a refused bind leaves the session open": (TRANSITIONS, (_state.BINDING, _trigger.BIND_FAILED), _state.OPEN),
    "draining skips unbinding": (TRANSITIONS, (_state.DRAINING, _trigger.UNBIND_SENT), _state.PEER_UNBINDING),
    "drain unbinds at once": (TRANSITIONS, (_state.BOUND_TRX, _trigger.DRAIN), _state.UNBINDING),
    "unbind goes on as bound": (TRANSITIONS, (_state.BOUND_TX, _trigger.UNBIND_SENT), _state.BOUND_TX),
    "a receiver goes on after an unbind": (TRANSITIONS, (_state.BOUND_RX, _trigger.UNBIND_RECEIVED), _state.BOUND_RX),
    "an unbind while binding is no leave": (TRANSITIONS, (_state.BINDING, _trigger.UNBIND_RECEIVED), _state.BINDING),
    "an unbind while draining is ours": (TRANSITIONS, (_state.DRAINING, _trigger.UNBIND_RECEIVED), _state.UNBINDING),
    "a lost connection leaves unbinding as it is": (TRANSITIONS, (_state.UNBINDING, _trigger.ENDED), _state.UNBINDING),
    "an answered unbind does not close": (TRANSITIONS, (_state.UNBINDING, _trigger.UNBOUND), _state.UNBINDING),
    "a bound ESME may bind again": (_esme, SmppCommand.BIND_TRANSCEIVER, BOUND_STATES | {_state.OPEN}),
    "a receiver may submit": (_esme, SmppCommand.SUBMIT_SM, BOUND_STATES),
    "a receiver may send data_sm": (_esme, SmppCommand.DATA_SM, BOUND_STATES),
    "a transmitter may not query": (_esme, SmppCommand.QUERY_SM, frozenset({_state.BOUND_TRX})),
    "an ESME may submit before it binds": (_esme, SmppCommand.SUBMIT_SM, frozenset(_state)),
    "a transmitter is delivered to": (_smsc, SmppCommand.DELIVER_SM, BOUND_STATES),
    "outbind at any time": (_smsc, SmppCommand.OUTBIND, frozenset(_state)),
    "an alert needs no bind": (_smsc, SmppCommand.ALERT_NOTIFICATION, frozenset(_state)),
    "a refused bind is taken for a bind": (EsmeSession, "_on_control_response", _binds_whatever_the_status),
    "an unanswered bind waits for ever": (EsmeSession, "_on_unbound_deadline", _waits_for_ever),
    "who does not bind is not dropped": (SmscSession, "_on_unbound_deadline", _waits_for_ever),
    "a refused bind is not reported": (EsmeSession, "_bind_failed", _silently(EsmeSession._bind_failed)),
    "an unbind of the peer is not reported": (
        SessionCore,
        "_receive_unbind",
        _silently(SessionCore._receive_unbind),
    ),
    "an unbind that crosses ours is not answered": (SessionCore, "_receive_unbind", _repeats_the_unbind),
    "leaving does not wait": (SessionCore, "_finish_unbinding", _leaves_at_once),
    "leaving waits for the timer only": (SessionCore, "_finish_unbinding", lambda self, events, **_: None),
    "the window keeps its size": (SessionCore, "resize_window", lambda self, size: None),
    "no limit to what is unanswered": (SessionCore, "_unanswered_count", property(lambda self: 0, lambda *_: None)),
    "a response of another kind answers": (Window, "answer", _answers_whatever_was_asked),
    "a generic_nack answers nothing": (Window, "answer", _needs_the_kind),
    "data_sm is answered as deliver_sm": (session, "encode_deliver_sm_resp", _always_deliver_sm_resp),
    "a lost framing is overlooked": (SessionCore, "_receive_frames", _goes_on_behind_nonsense),
}
"""Faults of states, modes and limits, for `smpp_bind_machine`."""


@contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """The fault is in the code, or in a table, while the block runs."""
    owner, name, replacement = fault
    is_table = isinstance(owner, dict)
    place = owner if is_table else owner.__dict__
    missing = object()
    original = place.get(name, missing)
    put = owner.__setitem__ if is_table else partial(setattr, owner)
    put(name, replacement)
    try:
        yield
    finally:
        if original is missing:
            delattr(owner, name)
        else:
            put(name, original)
