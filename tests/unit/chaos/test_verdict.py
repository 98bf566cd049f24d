"""Pure: what makes a round wrong."""

from collections.abc import Mapping

import pytest

from services.cli.demo.reconcile import Published, Reconciliation, Submit
from tests.chaos.plan import Fault, Round, choices
from tests.chaos.smpp_binds import Excess
from tests.chaos.verdict import CLAIMED_MAX, Stopped, Verdict, judge, may_leave_doubt, out_of_order, without_end

KILLED = Round(3, (Fault("kill", "binder", instance="0"), Fault("kill", "ingress", instance="1")))
QUIET = Round(4, (Fault("kill", "ingress", instance="1"), Fault("config", "account")))


def reconciliation(unknown: Mapping[str, int] | None = None, lost: list[str] | None = None) -> Reconciliation:
    return Reconciliation(10, 0, {"delivered": 10}, 12, 10, unknown or {}, lost or [])


def verdict(
    one: Round = KILLED,
    found: Reconciliation | None = None,
    *,
    disordered: list[str] | None = None,
    early: list[str] | None = None,
    vanished: list[str] | None = None,
    missed: list[str] | None = None,
    binds: list[Excess] | None = None,
    stopped: list[Stopped] | None = None,
) -> Verdict:
    return judge(
        one,
        found or reconciliation(),
        disordered=disordered or [],
        early=early or [],
        vanished=vanished or [],
        missed=missed or [],
        binds=binds or [],
        stopped=stopped or [],
        seconds=1.0,
    )


def test_nothing_wrong() -> None:
    assert verdict().ok
    told = verdict().as_dict(5)
    assert (told["seed"], told["round"], told["ok"], told["lost"], told["in_doubt"]) == (5, 3, True, 0, 0)
    assert Fault(**told["faults"][0]) == KILLED.faults[0]


def test_what_was_lost_or_vanished_or_came_out_of_order_is_wrong() -> None:
    assert verdict(found=reconciliation(lost=["m has no final status"])).wrong == ["m has no final status"]
    assert not verdict(vanished=["m"]).ok
    assert not verdict(QUIET, missed=["m segment 1 had its receipt in time"]).ok
    assert verdict(KILLED, missed=["m segment 1 had its receipt in time"]).ok
    assert not verdict(disordered=["447"]).ok
    assert not verdict(early=["447"]).ok


def test_doubt_needs_a_cause_a_known_reason_and_a_bound() -> None:
    assert verdict(found=reconciliation({"in_doubt": CLAIMED_MAX})).ok
    assert not verdict(found=reconciliation({"in_doubt": CLAIMED_MAX + 1})).ok
    assert not verdict(found=reconciliation({"": 1})).ok
    assert not verdict(QUIET, reconciliation({"no_submit_response": 1})).ok


def test_who_may_leave_doubt() -> None:
    rows = {fault.row for fault in choices() if may_leave_doubt(fault)}
    assert {kind for kind, _ in rows} == {
        "kill", "stop", "stop with supervisor", "late write", "stall", "cut", "delay", "disk full"
    }  # fmt: skip
    assert {process for _, process in rows} == {
        "binder", "simulator", "kafka", "binder to kafka", "binder to simulator"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("process", "from_s", "to_s", "excused"),
    [("binder", 5.0, 20.0, 1), ("binder", 13.0, 20.0, 0), ("ingress", 5.0, 20.0, 0), ("binder", 5.0, 12.0, 0)],
)
def test_one_bind_too_many_only_while_its_old_holder_is_stopped(
    process: str, from_s: float, to_s: float, excused: int
) -> None:
    found = verdict(binds=[Excess("quick", 12.0, 21.0, 3)], stopped=[Stopped(process, from_s, to_s)])
    assert (found.ok, found.bound_twice) == (bool(excused), excused)


def test_segments_out_of_order_unless_one_was_tried_again() -> None:
    submits = [Submit("441", 1, 3), Submit("441", 3, 3), Submit("442", 1, 1), Submit("441", 2, 3)]
    assert out_of_order(submits, set()) == ["441"]
    assert out_of_order(submits, {"441"}) == []


def test_a_message_ends_with_any_of_its_records() -> None:
    published = [Published("a", "441"), Published("b", "442", copies=("c",)), Published("d", "443", copies=("e",))]
    assert without_end(published, {"a", "c"}) == [published[2]]
