"""The SMPP sessions against a model of their peer, and the model against faults planted on purpose."""

import pytest
from hypothesis import Phase, settings
from hypothesis.errors import FlakyFailure
from hypothesis.stateful import run_state_machine_as_test

from tests.stateful.smpp_faults import FAULTS, planted
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
ONE_ROLE = {"vendor status raises in the client": "esme", "vendor status raises in the server": "smsc"}


@pytest.mark.parametrize("role", MACHINES)
def test_every_token_ends_once_whatever_happens(role: str) -> None:
    run_state_machine_as_test(MACHINES[role], settings=CLEAN)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault: str) -> None:
    """A machine that does not notice this fault is missing a rule."""
    for role in MACHINES:
        if ONE_ROLE.get(fault, role) != role:
            continue
        with planted(fault), pytest.raises((AssertionError, KeyError, ValueError, FlakyFailure)):
            run_state_machine_as_test(MACHINES[role], settings=HUNT)
