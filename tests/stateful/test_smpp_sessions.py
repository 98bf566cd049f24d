"""The SMPP sessions against models of their peer, and the models against faults planted on purpose."""

import pytest
from hypothesis import Phase, settings
from hypothesis.errors import FlakyFailure
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from shared.smpp.errors import WrongState
from tests.stateful.smpp_bind_machine import BIND_MACHINES
from tests.stateful.smpp_faults import FAULTS, STATE_FAULTS, Fault, planted
from tests.stateful.smpp_machines import MACHINES

CLEAN = settings(max_examples=100, stateful_step_count=40, deadline=None)
HUNT = settings(
    max_examples=2_000,  # it ends with the first finding
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)
FOUND = (AssertionError, KeyError, ValueError, WrongState, FlakyFailure)
ONE_ROLE = {
    "vendor status raises in the client": "esme",
    "vendor status raises in the server": "smsc",
    "a bind may be asked for twice": "esme",
    "outbind at any time": "esme",
    "an alert needs no bind": "esme",
    "a transmitter is delivered to": "esme",
    "a refused bind is taken for a bind": "esme",
    "an unanswered bind waits for ever": "esme",
    "a refused bind is not reported": "esme",
    "data_sm is answered as deliver_sm": "esme",
    "who does not bind is not dropped": "smsc",
    "a bound ESME may bind again": "smsc",
    "a receiver may submit": "smsc",
    "an ESME may submit before it binds": "smsc",
}


def hunt(machine: type[RuleBasedStateMachine], fault: Fault) -> None:
    with planted(fault), pytest.raises(FOUND):
        run_state_machine_as_test(machine, settings=HUNT)


@pytest.mark.parametrize("role", MACHINES)
def test_every_token_ends_once_whatever_happens(role: str) -> None:
    run_state_machine_as_test(MACHINES[role], settings=CLEAN)


@pytest.mark.parametrize("role", BIND_MACHINES)
def test_binds_limits_and_leaving_are_as_the_model(role: str) -> None:
    run_state_machine_as_test(BIND_MACHINES[role], settings=CLEAN)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault: str) -> None:
    """A machine that does not notice this fault is missing a rule."""
    for role in MACHINES:
        if ONE_ROLE.get(fault, role) == role:
            hunt(MACHINES[role], FAULTS[fault])


@pytest.mark.parametrize("fault", STATE_FAULTS)
def test_a_planted_fault_of_states_is_caught(fault: str) -> None:
    for role in BIND_MACHINES:
        if ONE_ROLE.get(fault, role) == role:
            hunt(BIND_MACHINES[role], STATE_FAULTS[fault])
