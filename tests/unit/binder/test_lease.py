"""Pure: the lease table, and who counts as dead."""

import pytest

from schemas.connector_states import BindState, ConnectorState
from services.binder.lease.machine import TRANSITIONS, Intent, Lease, LeaseCommand, LeaseEvent, LeaseState
from services.binder.lease.watch import DROP_AFTER_S, SILENT_FOR_S, Watch, holder, left_open

C, E, S = LeaseCommand, LeaseEvent, LeaseState
OPEN = (S.CONNECTING, S.BOUND, S.DRAINING)
"""Where this process may have a connection open; after a failure it closes, so QUEUED may still have one that ends."""


def lease_in(state: LeaseState, *, wanted: bool = True) -> Lease:
    lease = Lease(wanted=wanted)
    path = {
        S.WAITING: [],
        S.JUDGING: [E.FREE],
        S.IDLE: [E.FREE, E.JUDGED],
        S.ANNOUNCING: [E.FREE, E.JUDGED],
        S.QUEUED: [E.FREE, E.JUDGED, E.ANNOUNCED],
        S.CONNECTING: [E.FREE, E.JUDGED, E.ANNOUNCED, E.TURN],
        S.BOUND: [E.FREE, E.JUDGED, E.ANNOUNCED, E.TURN, E.UP],
        S.DRAINING: [E.FREE, E.JUDGED, E.ANNOUNCED, E.TURN, E.UP, E.LOST],
    }
    for event in path[state]:
        lease.apply(event)
    assert lease.state is state
    return lease


def test_the_usual_life() -> None:
    lease = Lease(wanted=True)
    said = [lease.apply(e) for e in (E.FREE, E.JUDGED, E.ANNOUNCED, E.TURN, E.UP, E.LOST, E.CLOSED)]
    assert said == [
        (C.JUDGE,),
        (C.SAY_BINDING, C.ANNOUNCE),
        (C.QUEUE,),
        (C.CONNECT,),
        (C.SAY_BOUND,),
        (C.HAND_BACK, C.SAY_UNBOUND, C.DRAIN),
        (C.SAY_RELEASED, C.FORGET),
    ]
    assert lease.state is S.GONE


def test_only_a_bound_lease_claims_and_only_an_unbound_one_refuses() -> None:
    for state in S:
        if state is S.GONE:
            continue
        lease = lease_in(state, wanted=state is not S.IDLE)
        assert lease.may_claim == (state is S.BOUND)
        expected = {S.BOUND: Intent.CLAIM, S.JUDGING: Intent.HOLD, S.DRAINING: Intent.HOLD}
        assert lease.intent() is expected.get(state, Intent.REFUSE), state


def test_a_lost_partition_is_not_committed_any_more_and_one_that_stops_is() -> None:
    for event, commits in ((E.LOST, False), (E.STOPPING, True)):
        lease = lease_in(S.BOUND)
        lease.apply(event)
        assert lease.may_commit == commits
        lease.apply(E.CLOSED)
        assert (lease.state, lease.may_commit) == (S.GONE, commits)
    assert not lease_in(S.JUDGING).may_commit, "only the takeover commits"


@pytest.mark.parametrize("state", [state for state in S if state is not S.GONE])
def test_stopping_ends_a_lease_as_its_loss_does(state: LeaseState) -> None:
    wanted = state is not S.IDLE
    assert lease_in(state, wanted=wanted).apply(E.STOPPING) == lease_in(state, wanted=wanted).apply(E.LOST)


def test_a_lost_link_connects_again_without_another_announcement() -> None:
    lease = lease_in(S.BOUND)
    assert lease.apply(E.DOWN) == (C.HAND_BACK, C.BACK_OFF, C.SAY_UNBOUND, C.QUEUE)
    assert lease.apply(E.TURN) == (C.CONNECT,)
    assert lease.apply(E.AUTH_FAILED) == (C.BACK_OFF, C.SAY_AUTH_FAILED, C.QUEUE)
    assert lease.apply(E.TURN) == (C.CONNECT,)
    assert lease.apply(E.DOWN) == (C.BACK_OFF, C.SAY_UNBOUND, C.QUEUE)
    assert lease.apply(E.TURN) == (C.CONNECT,)
    assert lease.apply(E.UP) == (C.SAY_BOUND,)


def test_a_rebalance_that_gives_it_back_repeats_a_takeover_and_disturbs_nothing_else() -> None:
    assert lease_in(S.JUDGING).apply(E.KEPT) == (C.JUDGE,)
    for state in S:
        if state not in (S.GONE, S.JUDGING):
            assert lease_in(state, wanted=state is not S.IDLE).apply(E.KEPT) == ()


def test_a_process_that_may_count_as_dead_leaves_and_tries_nothing() -> None:
    assert lease_in(S.BOUND).apply(E.SILENT) == (C.LEAVE,)
    assert lease_in(S.DRAINING).apply(E.SILENT) == (C.LEAVE,)
    lease = lease_in(S.CONNECTING)
    assert lease.apply(E.SILENT) == (C.QUEUE,), "its turn comes when the process is alive again"
    assert lease.apply(E.SILENT) == ()


@pytest.mark.parametrize("state", [S.QUEUED, S.CONNECTING])
def test_q19_a_new_secret_is_tried_at_once(state: LeaseState) -> None:
    lease = lease_in(state)
    assert lease.apply(E.SECRET_CHANGED) == (C.TRY_AFRESH, C.QUEUE)
    assert lease.state is S.QUEUED
    assert lease_in(S.BOUND).apply(E.SECRET_CHANGED) == ()


def test_a_changed_address_drains_and_announces_anew() -> None:
    lease = lease_in(S.BOUND)
    assert lease.apply(E.CHANGED) == (C.HAND_BACK, C.SAY_UNBOUND, C.DRAIN)
    assert lease.intent() is Intent.REFUSE, "it is still the owner"
    assert lease.apply(E.CLOSED) == (C.SAY_BINDING, C.ANNOUNCE)


def test_a_surplus_bind_is_released_and_comes_back_when_wanted() -> None:
    lease = lease_in(S.BOUND)
    assert lease.apply(E.UNWANTED) == (C.HAND_BACK, C.SAY_UNBOUND, C.DRAIN)
    assert lease.apply(E.CLOSED) == (C.SAY_RELEASED,)
    assert lease.apply(E.WANTED) == (C.SAY_BINDING, C.ANNOUNCE)


def test_wanted_again_while_it_drains() -> None:
    lease = lease_in(S.BOUND)
    lease.apply(E.UNWANTED)
    assert lease.apply(E.WANTED) == ()
    assert lease.apply(E.CLOSED) == (C.SAY_BINDING, C.ANNOUNCE)


def test_a_surplus_partition_is_judged_and_never_bound() -> None:
    lease = Lease(wanted=False)
    assert lease.apply(E.FREE) == (C.JUDGE,)
    assert lease.apply(E.JUDGED) == (C.SAY_RELEASED,)
    assert lease.intent() is Intent.REFUSE


@pytest.mark.parametrize("state", [S.WAITING, S.JUDGING])
def test_lost_before_anything_was_said(state: LeaseState) -> None:
    assert lease_in(state).apply(E.LOST) == (C.FORGET,)


def test_lost_while_announcing_takes_it_back() -> None:
    assert lease_in(S.ANNOUNCING).apply(E.LOST) == (C.SAY_RELEASED, C.FORGET)


def test_lost_twice_drains_once() -> None:
    lease = lease_in(S.BOUND)
    lease.apply(E.UNWANTED)
    assert lease.apply(E.LOST) == ()
    assert lease.apply(E.CLOSED) == (C.SAY_RELEASED, C.FORGET)


def test_every_connection_is_closed_before_released_is_said() -> None:
    """`released` follows from CLOSED, or comes from states in which nothing was ever opened."""
    for (state, event), (_, commands) in TRANSITIONS.items():
        if C.SAY_RELEASED in commands:
            assert event is E.CLOSED or state in (S.JUDGING, S.ANNOUNCING)
        if event is E.CLOSED:
            assert state is S.DRAINING


def test_an_attempt_is_made_only_in_its_turn_after_the_announcement() -> None:
    for (state, event), (following, commands) in TRANSITIONS.items():
        if C.CONNECT in commands or (following in OPEN and state not in (*OPEN, S.QUEUED)):
            assert (state, event) == (S.QUEUED, E.TURN)
        if following is S.QUEUED and state not in (*OPEN, S.QUEUED):
            assert (state, event) == (S.ANNOUNCING, E.ANNOUNCED)


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


@pytest.mark.parametrize("word", ["binding", "bound", "unbound", "auth_failed", "released"])
def test_a_silent_owner_that_said_nothing_of_its_end_may_have_left_its_connection_open(word: BindState) -> None:
    watch = Watch("me|2", 0.0)
    assert left_open(None, watch) is None
    assert left_open(state_of("you|1", word), watch) is None, "not silent yet"
    beating(watch, 21)
    assert left_open(state_of("you|1", word), watch) == ("you|1" if word in ("binding", "bound") else None)
    assert left_open(state_of("me|2", word), watch) is None


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
