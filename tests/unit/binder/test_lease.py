"""Pure: the lease table, and who counts as dead."""

import pytest

from schemas.connector_states import BindState, ConnectorState
from services.binder.lease.lease import (
    DROP_AFTER_S,
    SILENT_FOR_S,
    TRANSITIONS,
    Do,
    Happening,
    Lease,
    LeaseState,
    Watch,
    holder,
)
from services.binder.loop import made_s

H = Happening


def lease_in(state: LeaseState, *, wanted: bool = True) -> Lease:
    lease = Lease(wanted=wanted)
    path = {
        LeaseState.WAITING: [],
        LeaseState.JUDGING: [H.FREE],
        LeaseState.IDLE: [H.FREE, H.JUDGED],
        LeaseState.ANNOUNCING: [H.FREE, H.JUDGED],
        LeaseState.CONNECTING: [H.FREE, H.JUDGED, H.ANNOUNCED],
        LeaseState.BOUND: [H.FREE, H.JUDGED, H.ANNOUNCED, H.UP],
        LeaseState.DRAINING: [H.FREE, H.JUDGED, H.ANNOUNCED, H.UP, H.LOST],
    }
    for happening in path[state]:
        lease.tell(happening)
    assert lease.state is state
    return lease


def test_the_usual_life() -> None:
    lease = Lease(wanted=True)
    said = [lease.tell(h) for h in (H.FREE, H.JUDGED, H.ANNOUNCED, H.UP, H.LOST, H.CLOSED)]
    assert said == [
        (Do.JUDGE,),
        ("binding",),
        (Do.CONNECT,),
        ("bound",),
        ("unbound", Do.DRAIN),
        ("released", Do.FORGET),
    ]
    assert lease.state is LeaseState.GONE


def test_only_a_bound_lease_claims_and_only_an_unbound_one_refuses() -> None:
    for state in LeaseState:
        if state is LeaseState.GONE:
            continue
        lease = lease_in(state, wanted=state is not LeaseState.IDLE)
        assert lease.may_claim == (state is LeaseState.BOUND)
        refuses = state not in (LeaseState.BOUND, LeaseState.JUDGING, LeaseState.DRAINING)
        assert lease.refuses == refuses, state


def test_a_lost_link_connects_again_without_another_announcement() -> None:
    lease = lease_in(LeaseState.BOUND)
    assert lease.tell(H.DOWN) == ("unbound", Do.CONNECT)
    assert lease.tell(H.AUTH_FAILED) == ("auth_failed",)
    assert lease.tell(H.DOWN) == ("unbound",)
    assert lease.tell(H.UP) == ("bound",)


def test_a_changed_address_drains_and_announces_anew() -> None:
    lease = lease_in(LeaseState.BOUND)
    assert lease.tell(H.CHANGED) == ("unbound", Do.DRAIN)
    assert lease.refuses, "it is still the owner"
    assert lease.tell(H.CLOSED) == ("binding",)


def test_a_surplus_bind_is_released_and_comes_back_when_wanted() -> None:
    lease = lease_in(LeaseState.BOUND)
    assert lease.tell(H.UNWANTED) == ("unbound", Do.DRAIN)
    assert lease.tell(H.CLOSED) == ("released",)
    assert lease.tell(H.WANTED) == ("binding",)


def test_wanted_again_while_it_drains() -> None:
    lease = lease_in(LeaseState.BOUND)
    lease.tell(H.UNWANTED)
    assert lease.tell(H.WANTED) == ()
    assert lease.tell(H.CLOSED) == ("binding",)


def test_a_surplus_partition_is_judged_and_never_bound() -> None:
    lease = Lease(wanted=False)
    assert lease.tell(H.FREE) == (Do.JUDGE,)
    assert lease.tell(H.JUDGED) == ("released",)
    assert lease.refuses


@pytest.mark.parametrize("state", [LeaseState.WAITING, LeaseState.JUDGING])
def test_lost_before_anything_was_said(state: LeaseState) -> None:
    assert lease_in(state).tell(H.LOST) == (Do.FORGET,)


def test_lost_while_announcing_takes_it_back() -> None:
    assert lease_in(LeaseState.ANNOUNCING).tell(H.LOST) == ("released", Do.FORGET)


def test_lost_twice_drains_once() -> None:
    lease = lease_in(LeaseState.BOUND)
    lease.tell(H.UNWANTED)
    assert lease.tell(H.LOST) == ()
    assert lease.tell(H.CLOSED) == ("released", Do.FORGET)


def test_connections_are_open_in_three_states_only_and_all_lead_to_released() -> None:
    for (state, _), (following, commands) in TRANSITIONS.items():
        opening = lease_in(state, wanted=state is not LeaseState.IDLE).connects
        if opening and following not in (LeaseState.CONNECTING, LeaseState.BOUND, LeaseState.DRAINING):
            assert commands == ("released",)


def state_of(owner: str, word: BindState) -> ConnectorState:
    return ConnectorState(connector_id="c", partition=0, state=word, owner=owner, epoch=1, since_ms=0)


def beating(watch: Watch, until_s: int, *owners: str, since_s: int = 1) -> None:
    for second in range(since_s, until_s + 1, 2):
        watch.own_beat(float(second))
        for owner in owners:
            watch.beat(owner, float(second))


def test_free_when_released_or_never_held_or_of_this_instance() -> None:
    watch = Watch("me|2", 0.0)
    assert holder(None, watch) is None
    assert holder(state_of("you|1", "released"), watch) is None
    assert holder(state_of("me|1", "bound"), watch) is None


@pytest.mark.parametrize("word", ["binding", "bound", "unbound", "auth_failed"])
def test_held_until_its_owner_is_silent(word: BindState) -> None:
    watch = Watch("me|2", 0.0)
    held = state_of("you|1", word)
    assert holder(held, watch) == "you|1", "older beats are of unknown age"
    beating(watch, 19)
    assert holder(held, watch) == "you|1"
    beating(watch, 21, since_s=21)
    assert holder(held, watch) is None


def test_a_beating_owner_is_never_silent() -> None:
    watch = Watch("me|2", 0.0)
    beating(watch, 101, "you|1")
    assert holder(state_of("you|1", "bound"), watch) == "you|1"
    beating(watch, 119, since_s=103)
    assert holder(state_of("you|1", "bound"), watch) == "you|1"
    beating(watch, 125, since_s=121)
    assert holder(state_of("you|1", "bound"), watch) is None


def test_an_outage_of_kafka_makes_nobody_silent() -> None:
    watch = Watch("me|2", 0.0)
    beating(watch, 11, "you|1")
    watch.own_beat(100.0)
    assert not watch.silent("you|1"), "its own beats did not come through either"
    beating(watch, 101 + int(SILENT_FOR_S) - 3, since_s=101)
    assert not watch.silent("you|1")
    beating(watch, 103 + int(SILENT_FOR_S), since_s=101 + int(SILENT_FOR_S))
    assert watch.silent("you|1")


def test_a_process_without_beats_drops_its_binds_in_time() -> None:
    watch = Watch("me|2", 0.0)
    beating(watch, 11)
    assert not watch.must_drop(11.0 + DROP_AFTER_S)
    assert watch.must_drop(11.1 + DROP_AFTER_S)
    assert DROP_AFTER_S + 5.0 < SILENT_FOR_S


def test_a_beat_that_waited_while_the_process_was_stopped_is_as_old_as_it_is() -> None:
    watch = Watch("me|2", 0.0)
    beating(watch, 11)
    watch.own_beat(13.0)  # read at 40, after a stop from 13 to 40
    assert watch.must_drop(40.0)
    watch.own_beat(40.0)
    assert watch.must_drop(40.0), "meanwhile others may have taken the binds"
    watch.dropped()
    assert not watch.must_drop(40.0)
    assert not watch.silent("you|1"), "what others did meanwhile is not known"


def test_beats_are_aged_by_the_clock_that_made_them() -> None:
    assert made_s(5_000, 5_020, 100.0) == pytest.approx(99.98)
    assert made_s(5_000, 35_000, 100.0) == pytest.approx(70.0)
    assert made_s(5_000, 1_000, 100.0) == 100.0, "the wall clock was set back"
    watch = Watch("me|2", 0.0)
    beating(watch, 11)
    watch.own_beat(-3587.0)  # the wall clock was set forward by an hour between making and reading
    watch.own_beat(15.0)
    assert not watch.must_drop(15.0)
