"""Pure: the moment of a fault is told from what a client sends."""

from struct import pack

import pytest

from tests.chaos.kafka_requests import is_moment
from tests.chaos.plan import SERVICES, Fault, plan

PRODUCE = pack("!ih", 100, 0) + b"...mt.submissions..."
BEAT = pack("!ih", 100, 0) + b"...service.states..."


@pytest.mark.parametrize(
    ("request_octets", "produces", "commits"),
    [
        (PRODUCE, True, False),
        (BEAT, False, False),
        (pack("!ih", 100, 1), False, False),
        (pack("!ih", 100, 8), False, True),
        (pack("!ih", 100, 26), False, True),
        (pack("!ih", 100, 28), False, True),
        (b"\0\0", False, False),
    ],
)
def test_what_a_request_is(request_octets: bytes, produces: bool, commits: bool) -> None:
    assert (is_moment(request_octets, "produce"), is_moment(request_octets, "commit")) == (produces, commits)


def test_services_are_caught_in_a_step_of_theirs() -> None:
    faults = [fault for one in plan(1, 800) for fault in one.faults]
    killed = {fault.process: set[str]() for fault in faults if fault.kind == "kill"}
    for fault in faults:
        if fault.kind == "kill":
            killed[fault.process].add(fault.moment)
    both = {"produce", "commit"}
    expected = dict.fromkeys(SERVICES, both) | {"recorder": {"commit"}}
    assert killed == expected | {"kafka": {""}, "clickhouse": {""}, "simulator": {""}}
    assert all(fault.moment for fault in faults if fault.kind == "late write")


def test_a_fault_survives_its_line_of_json() -> None:
    fault = plan(1, 1)[0].faults[0]
    assert Fault(**fault.as_dict()) == fault
