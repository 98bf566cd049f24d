from shared.smpp.constants import BindMode, SmppCommand
from shared.smpp.transitions import (
    BOUND_STATES,
    REQUEST_STATES,
    TRANSITIONS,
    Role,
    SessionState,
    Trigger,
    may_request,
    next_state,
)


def test_every_state_is_reached_from_open_and_leads_to_closed() -> None:
    reached = {SessionState.OPEN}
    for _ in SessionState:
        reached |= {following for (state, _), following in TRANSITIONS.items() if state in reached}
    assert reached == set(SessionState)
    for state in set(SessionState) - {SessionState.CLOSED}:
        assert next_state(state, Trigger.ENDED) is SessionState.CLOSED


def test_closed_is_final() -> None:
    assert not [trigger for state, trigger in TRANSITIONS if state is SessionState.CLOSED]


def test_no_state_is_bound_without_its_bind_response() -> None:
    into_bound = {trigger for (_, trigger), following in TRANSITIONS.items() if following in BOUND_STATES}
    assert into_bound == {Trigger.BOUND_AS_TRANSMITTER, Trigger.BOUND_AS_RECEIVER, Trigger.BOUND_AS_TRANSCEIVER}


def test_requests_of_the_specification() -> None:
    """SMPP 3.4 section 2.3, table 2-1, the rows that differ."""
    tx, rx, trx = SessionState.BOUND_TX, SessionState.BOUND_RX, SessionState.BOUND_TRX
    assert REQUEST_STATES[Role.ESME][SmppCommand.SUBMIT_SM] == {tx, trx}
    assert REQUEST_STATES[Role.SMSC][SmppCommand.DELIVER_SM] == {rx, trx}
    assert REQUEST_STATES[Role.ESME][SmppCommand.DATA_SM] == {tx, trx}
    assert REQUEST_STATES[Role.SMSC][SmppCommand.DATA_SM] == {rx, trx}
    assert REQUEST_STATES[Role.SMSC][SmppCommand.OUTBIND] == {SessionState.OPEN}


def test_while_draining_the_peer_may_ask_as_before() -> None:
    deliver = SmppCommand.DELIVER_SM
    assert may_request(Role.SMSC, deliver, SessionState.DRAINING, BindMode.RECEIVER)
    assert not may_request(Role.SMSC, deliver, SessionState.DRAINING, BindMode.TRANSMITTER)
    assert not may_request(Role.SMSC, deliver, SessionState.UNBINDING, BindMode.RECEIVER)
    assert not may_request(Role.SMSC, 0x99, SessionState.BOUND_RX, BindMode.RECEIVER)
