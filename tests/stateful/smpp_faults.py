"""Faults to plant in the sessions, each as the replacement of one function; the machines must catch every one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from shared.smpp import session_core
from shared.smpp.keepalive import KeepAlive
from shared.smpp.server_session import SmscSession
from shared.smpp.session import EsmeSession
from shared.smpp.session_core import SessionCore
from shared.smpp.transitions import Trigger
from shared.smpp.window import InFlight, Window

Fault = tuple[Any, str, Any]

_answer = Window.answer
_expire = Window.expire
_receive_frames = SessionCore._receive_frames
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


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The fault is in the code while the block runs."""
    owner, attribute, replacement = FAULTS[name]
    original = owner.__dict__[attribute]
    setattr(owner, attribute, replacement)
    try:
        yield
    finally:
        setattr(owner, attribute, original)
