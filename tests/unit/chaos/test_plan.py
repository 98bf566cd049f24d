"""Pure: the plan is a function of the seed, and leaves nobody out."""

import pytest

from tests.chaos.plan import CHANGES, LINKS, SERVICES, SESSION_S, Fault, choices, plan

ALL_ROWS = {fault.row for fault in choices()}


def test_the_same_seed_is_the_same_plan_however_long() -> None:
    assert plan(7, 30) == plan(7, 30)
    assert plan(7, 12) == plan(7, 30)[:12]
    assert plan(7, 12) != plan(8, 12)


@pytest.mark.parametrize("seed", range(5))
def test_every_combination_comes_before_any_comes_twice(seed: int) -> None:
    rounds = -(-len(ALL_ROWS) // 2)
    drawn = [fault.row for one in plan(seed, rounds) for fault in one.faults[:2]]
    assert sorted(drawn[: len(ALL_ROWS)]) == sorted(ALL_ROWS)


def test_what_there_is_to_do() -> None:
    assert {kind for kind, _ in ALL_ROWS} == {
        "kill", "stop", "stop with supervisor", "late write", "stall", "cut", "delay", "clock ahead", "clock behind",
        "disk full", "config",
    }  # fmt: skip
    for kind in ("kill", "stop"):
        assert {p for k, p in ALL_ROWS if k == kind} == {*SERVICES, "kafka", "clickhouse", "simulator"}
    for kind in ("stall", "cut", "delay"):
        assert {p for k, p in ALL_ROWS if k == kind} == {f"{one} to {other}" for one, other in LINKS}
    for kind in ("stop with supervisor", "late write", "clock ahead", "clock behind"):
        assert {p for k, p in ALL_ROWS if k == kind} == set(SERVICES)
    assert {p for k, p in ALL_ROWS if k == "config"} == set(CHANGES)


def test_times_are_within_their_bounds_and_some_outlast_a_session() -> None:
    faults = [fault for one in plan(3, 200, longest_s=20.0) for fault in one.faults]
    slept = [fault.seconds for fault in faults if fault.kind == "stop"]
    assert min(slept) >= 1.0
    assert max(slept) <= 20.0
    assert any(seconds < SESSION_S for seconds in slept)
    assert any(seconds > SESSION_S for seconds in slept)
    assert all(SESSION_S < f.seconds <= 22.0 for f in faults if f.kind == "late write")
    assert all(f.seconds <= 30.0 for f in faults if f.kind == "stop with supervisor")


def test_whose_process_it_is_stands_where_there_are_two() -> None:
    faults = [fault for one in plan(3, 100) for fault in one.faults]
    assert {fault.instance for fault in faults if fault.process in SERVICES} == {"0", "1"}
    assert {fault.instance for fault in faults if fault.process not in SERVICES} == {""}


def test_a_late_write_comes_with_a_change_that_makes_its_successor_decide_otherwise() -> None:
    late = [one for one in plan(3, 100) if any(fault.kind == "late write" for fault in one.faults)]
    assert late
    for one in late:
        write = next(fault for fault in one.faults if fault.kind == "late write")
        assert write.moment == ("commit" if write.process == "recorder" else "produce")
        assert any(f.kind == "config" and f.after > write.after and f.seconds > write.seconds for f in one.faults)


def test_a_link_is_named_by_both_its_ends() -> None:
    assert Fault("cut", "binder", "simulator").row == ("cut", "binder to simulator")
    assert Fault("kill", "binder").row == ("kill", "binder")


def test_only_some_faults_and_what_goes_with_them() -> None:
    rounds = plan(3, 5, faults=1, only="late write: ingress")
    assert all(one.faults[0].row == ("late write", "ingress") for one in rounds)
    assert {fault.kind for one in rounds for fault in one.faults[1:]} == {"config"}
    with pytest.raises(ValueError, match="earthquake"):
        plan(3, 5, only="earthquake")
