"""Pure: the SMPP session state machine as data (SMPP 3.4 sections 2.2 and 2.3).

Rule: everything that decides which state follows which, and who may ask for what in which state, stands in this file.
docs/smpp-session.md is generated from it (`python -m shared.smpp.diagram`) and a test compares the two.

Theory of operation. Both roles walk the same states; OPEN begins with the connection. BINDING: a bind request is on its
way or waits for the owner's decision. The three BOUND states carry traffic. DRAINING: we have decided to leave: no new
requests of ours, the unanswered ones may still be answered, then we unbind. UNBINDING: our unbind is out.
PEER_UNBINDING: the peer asked to leave; it is answered when nothing is in flight any more or after unbind_timeout_s, so
that as few outcomes as possible stay unknown. CLOSED is final: the owner closes the connection.
"""

from enum import Enum
from typing import Final

from shared.smpp.constants import BindMode, SmppCommand


class Role(Enum):
    """Which side of the connection."""

    ESME = "esme"
    SMSC = "smsc"


class SessionState(Enum):
    """Where a session is; see the theory of operation above."""

    OPEN = "open"
    BINDING = "binding"
    BOUND_TX = "bound_tx"
    BOUND_RX = "bound_rx"
    BOUND_TRX = "bound_trx"
    DRAINING = "draining"
    UNBINDING = "unbinding"
    PEER_UNBINDING = "peer_unbinding"
    CLOSED = "closed"


class Trigger(Enum):
    """What makes a session change its state; the value is how the diagram writes it."""

    BIND_REQUESTED = "bind request"
    BOUND_AS_TRANSMITTER = "bind_transmitter_resp ROK"
    BOUND_AS_RECEIVER = "bind_receiver_resp ROK"
    BOUND_AS_TRANSCEIVER = "bind_transceiver_resp ROK"
    BIND_FAILED = "bind refused or unanswered"
    DRAIN = "drain()"
    UNBIND_SENT = "unbind sent"
    UNBIND_RECEIVED = "unbind received"
    UNBOUND = "unbind_resp, or its time is up"
    ENDED = "connection lost, link dead, framing lost"


BOUND_STATES: Final = frozenset({SessionState.BOUND_TX, SessionState.BOUND_RX, SessionState.BOUND_TRX})
"""States in which both sides may ask for something."""

BOUND_AS: Final[dict[BindMode, tuple[Trigger, SessionState]]] = {
    BindMode.TRANSMITTER: (Trigger.BOUND_AS_TRANSMITTER, SessionState.BOUND_TX),
    BindMode.RECEIVER: (Trigger.BOUND_AS_RECEIVER, SessionState.BOUND_RX),
    BindMode.TRANSCEIVER: (Trigger.BOUND_AS_TRANSCEIVER, SessionState.BOUND_TRX),
}


def _table() -> dict[tuple[SessionState, Trigger], SessionState]:
    state, trigger = SessionState, Trigger
    table = {
        (state.OPEN, trigger.BIND_REQUESTED): state.BINDING,
        (state.BINDING, trigger.BIND_FAILED): state.CLOSED,
        (state.UNBINDING, trigger.UNBIND_RECEIVED): state.UNBINDING,
        (state.UNBINDING, trigger.UNBOUND): state.CLOSED,
        (state.PEER_UNBINDING, trigger.UNBIND_RECEIVED): state.PEER_UNBINDING,
        (state.PEER_UNBINDING, trigger.UNBOUND): state.CLOSED,
        (state.DRAINING, trigger.UNBIND_SENT): state.UNBINDING,
    }
    for bound_trigger, bound_state in BOUND_AS.values():
        table[state.BINDING, bound_trigger] = bound_state
        table[bound_state, trigger.DRAIN] = state.DRAINING
        table[bound_state, trigger.UNBIND_SENT] = state.UNBINDING
    for leaving in (state.OPEN, state.BINDING, *sorted(BOUND_STATES, key=lambda one: one.value), state.DRAINING):
        table[leaving, trigger.UNBIND_RECEIVED] = state.PEER_UNBINDING
    for alive in SessionState:
        if alive is not state.CLOSED:
            table[alive, trigger.ENDED] = state.CLOSED
    return table


TRANSITIONS: Final = _table()
"""(state, trigger) -> next state; what is not listed is illegal."""

_TRANSMIT: Final = frozenset({SessionState.BOUND_TX, SessionState.BOUND_TRX})
_RECEIVE: Final = frozenset({SessionState.BOUND_RX, SessionState.BOUND_TRX})
_UNBOUND: Final = frozenset({SessionState.OPEN})

REQUEST_STATES: Final[dict[Role, dict[SmppCommand, frozenset[SessionState]]]] = {
    Role.ESME: {
        SmppCommand.BIND_TRANSMITTER: _UNBOUND,
        SmppCommand.BIND_RECEIVER: _UNBOUND,
        SmppCommand.BIND_TRANSCEIVER: _UNBOUND,
        SmppCommand.SUBMIT_SM: _TRANSMIT,
        SmppCommand.SUBMIT_MULTI: _TRANSMIT,
        SmppCommand.DATA_SM: _TRANSMIT,
        SmppCommand.QUERY_SM: _TRANSMIT,
        SmppCommand.CANCEL_SM: _TRANSMIT,
        SmppCommand.REPLACE_SM: _TRANSMIT,
        SmppCommand.ENQUIRE_LINK: BOUND_STATES,
        SmppCommand.UNBIND: BOUND_STATES,
    },
    Role.SMSC: {
        SmppCommand.OUTBIND: _UNBOUND,
        SmppCommand.DELIVER_SM: _RECEIVE,
        SmppCommand.DATA_SM: _RECEIVE,
        SmppCommand.ALERT_NOTIFICATION: _RECEIVE,
        SmppCommand.ENQUIRE_LINK: BOUND_STATES,
        SmppCommand.UNBIND: BOUND_STATES,
    },
}
"""Who may ask for what in which state (SMPP 3.4 section 2.3, table 2-1)."""


def next_state(state: SessionState, trigger: Trigger) -> SessionState | None:
    """The state that follows, None when the table does not allow the trigger."""
    return TRANSITIONS.get((state, trigger))


def may_request(issuer: Role, command_id: int, state: SessionState, bind_mode: BindMode | None) -> bool:
    """Whether `issuer` may send this request; while a session drains, as in the state in which it was bound."""
    allowed = REQUEST_STATES[issuer].get(command_id)  # type: ignore[call-overload] # an IntEnum key equals its int
    if allowed is None:
        return False
    if state in (SessionState.DRAINING, SessionState.PEER_UNBINDING) and bind_mode is not None:
        state = BOUND_AS[bind_mode][1]
    return state in allowed
