"""Edge: tests of the dispatcher of one connector, in a world of lists."""

import orjson
import pytest

from schemas.outcomes import Outcome
from schemas.reroutes import Reroute
from schemas.segments import SegmentedMessage
from schemas.statuses import Status
from schemas.submit_results import SubmitResult
from schemas.topics import (
    LIFECYCLE_EVENTS,
    MT_OUTCOMES,
    MT_REROUTES,
    MT_STATUSES,
    SUBMIT_RESULTS,
    feedback_topic,
    segments_topic,
)
from shared.kafka.records import Out
from tests.unit.throttler.world import CONNECTOR, START_MS, World, events_of, message, of_topic, policy

RETRY = segments_topic(CONNECTOR, "retry")


@pytest.fixture
def world() -> World:
    world = World()
    world.bind(0)
    world.cycle()
    world.now_ms += 100  # the bucket is empty at first
    return world


def ends_of(outs: list[Out]) -> list[tuple[int, str, int]]:
    """Segment, reason and the SMSC's status of what failed for good, by the events."""
    events = [e for e in of_topic(outs, LIFECYCLE_EVENTS) if e["event"] == "submit_failed"]
    return [(e["segment_index"], e.get("reason", ""), e.get("command_status", 0)) for e in events]


def test_one_segment_is_dispatched_and_accepted(world: World) -> None:
    world.publish(message(1))
    outs = world.cycle()
    assert events_of(outs) == ["dispatched"]
    (dispatch,) = world.dispatches()
    assert dispatch.id == f"{message(1).context.message_id}/0/1/1"
    assert dispatch.spacing_us == 10_000
    assert SegmentedMessage.from_json(dispatch.message or "") == message(1)
    world.answer([0], smsc_message_id="00AbC")
    outs = world.cycle()
    assert events_of(outs) == ["submitted"]
    (out,) = [o for o in outs if o.topic == SUBMIT_RESULTS]
    assert out.key == b"acme|abc"
    result = SubmitResult.from_json(out.value or b"")
    assert (result.smsc_message_id, result.segments, result.context.metadata) == ("00AbC", 1, {"order": "1"})
    assert result.deadline_at_ms == result.answered_at_ms + world.policy.receipt_deadline_ms


def test_an_accepted_segment_without_an_id_has_a_key_of_its_own(world: World) -> None:
    world.publish(message(1))
    world.cycle()
    world.answer([0], smsc_message_id="\0")
    (out,) = [o for o in world.cycle() if o.topic == SUBMIT_RESULTS]
    assert out.key == f"acme|-|{message(1).context.message_id}/1".encode()


def test_segments_go_in_index_order_to_one_partition() -> None:
    world = World(policy(max_binds=3, window=100))
    world.bind(0, 1, 2)
    world.publish(*(message(n, segments=4) for n in range(6)))
    world.run(1000)
    order: dict[str, list[tuple[int, int]]] = {}
    for partition in range(3):
        for d in world.dispatches(partition):
            order.setdefault(d.message_id, []).append((partition, d.index))
    assert len(order) == 6
    assert len({steps[0][0] for steps in order.values()}) == 3
    for steps in order.values():
        assert [index for _, index in steps] == [1, 2, 3, 4]
        assert len({partition for partition, _ in steps}) == 1


def test_nothing_is_dispatched_without_a_bound_bind() -> None:
    world = World()
    world.publish(message(1))
    for state in ("binding", "unbound", "auth_failed", "released"):
        world.lease(0, state)
        world.run(500)
        assert world.dispatches() == []
    world.bind(0)
    world.run(500)
    assert len(world.dispatches()) == 1


def test_a_bind_beyond_max_binds_gets_nothing() -> None:
    world = World(policy(max_binds=1))
    world.bind(1)
    world.publish(message(1))
    world.run(500)
    assert world.dispatches(1) == []


def test_the_offset_of_a_message_that_was_not_begun_is_not_committed(world: World) -> None:
    world.configure(policy(tps=10))
    world.publish(*(message(n) for n in range(50)))
    world.cycle()
    begun = len(world.dispatches())
    assert 0 < begun < 50
    assert world.committed[segments_topic(CONNECTOR, "txn"), 0][0] == begun


def test_not_sent_is_dispatched_again_with_another_attempt(world: World) -> None:
    world.publish(message(1))
    world.cycle()
    world.answer([0], "not_sent", reason="link_down")
    world.now_ms += 100
    outs = world.cycle()
    assert "not_sent" in events_of(outs)
    assert [d.attempt for d in world.dispatches()] == [1, 2]
    assert world.dispatches()[1].message is None


def test_throttled_pauses_the_connector_for_a_second_and_the_segment_is_next(world: World) -> None:
    world.publish(message(1), message(2))
    world.cycle()
    world.publish(message(3))
    world.answer([0], "throttled", error_code=0x58)
    world.cycle()
    world.now_ms += 999
    world.cycle()
    assert len(world.dispatches()) == 2
    world.now_ms += 1
    world.cycle()
    assert [d.id.split("/", 1) for d in world.dispatches()[2:]] == [
        [message(1).context.message_id, "0/1/2"],
        [message(3).context.message_id, "0/1/1"],
    ]


def test_a_temporary_error_waits_in_the_retry_lane_while_others_pass(world: World) -> None:
    world.publish(message(1))
    world.cycle()
    world.answer([0], "temporary", error_code=0x14)
    outs = world.cycle()
    assert events_of(outs) == ["temporary_error", "retry_scheduled"]
    (value,) = of_topic(outs, RETRY)
    retried = SegmentedMessage.model_validate(value)
    assert retried.run == 1
    assert retried.due_at_ms == world.now_ms + 30_000
    assert (retried.segments[0].attempt, retried.segments[0].tries) == (1, 1)
    world.publish(message(2))
    world.now_ms += 29_999
    world.cycle()
    assert [d.message_id for d in world.dispatches()] == [message(1).context.message_id, message(2).context.message_id]
    world.now_ms += 1
    world.cycle()
    last = world.dispatches()[-1]
    assert (last.message_id, last.run, last.attempt) == (message(1).context.message_id, 1, 2)
    assert last.message is not None


def test_retries_are_exhausted(world: World) -> None:
    world.configure(policy(retries_max=1))
    world.publish(message(1))
    for _ in range(2):
        world.cycle()
        world.answer_all("temporary", error_code=0x14)
        outs = world.cycle()
        world.now_ms += 30_000
    (value,) = of_topic(outs, MT_OUTCOMES)
    outcome = Outcome.model_validate(value)
    assert (outcome.outcome, outcome.reason, outcome.smsc_error) == ("undeliverable", "retries_exhausted", "0x00000014")
    assert ends_of(outs) == [(1, "retries_exhausted", 0)]


def test_a_retry_that_would_come_after_validity_is_no_retry(world: World) -> None:
    world.publish(message(1, validity_ms=20_000))
    world.cycle()
    world.answer([0], "temporary", error_code=0x14)
    outs = world.cycle()
    (value,) = of_topic(outs, MT_OUTCOMES)
    assert (value["outcome"], value["reason"]) == ("expired", "validity_passed")
    assert ends_of(outs) == [(1, "validity_passed", 0)]


def test_a_permanent_error_ends_the_segments_that_were_not_dispatched(world: World) -> None:
    world.configure(policy(tps=10, window=1))
    world.publish(message(1, segments=3))
    world.cycle()
    assert len(world.dispatches()) < 3
    world.answer_all("permanent", error_code=0x0B)
    outs = world.cycle()
    ends = of_topic(outs, MT_OUTCOMES)
    assert sorted((e["index"], e["outcome"], e["reason"], e["smsc_error"]) for e in ends) == [
        (n, "undeliverable", "smsc_refused", "0x0000000b") for n in (1, 2, 3)
    ]
    assert ends_of(outs) == [(1, "", 0x0B), (2, "", 0x0B), (3, "smsc_refused", 0)]
    world.run(2000)
    assert world.open_dispatches() == []


def test_the_rest_is_decided_only_when_nothing_is_in_flight(world: World) -> None:
    world.publish(message(1, segments=3))
    world.cycle()
    assert len(world.dispatches()) == 3
    world.answer([0], "permanent", error_code=0x0B)
    assert of_topic(world.cycle(), MT_OUTCOMES) == []
    world.answer([1])
    outs = world.cycle()
    assert of_topic(outs, MT_OUTCOMES) == []
    assert len(of_topic(outs, SUBMIT_RESULTS)) == 1
    world.answer([2], "temporary", error_code=0x14)
    ends = of_topic(world.cycle(), MT_OUTCOMES)
    assert [(e["index"], e["reason"]) for e in ends] == [(1, "smsc_refused"), (3, "smsc_refused")]
    assert world.values(RETRY) == []


@pytest.mark.parametrize("reason", ["in_doubt", "no_submit_response"])
def test_an_unknown_outcome_is_told_at_once_and_never_sent_again(world: World, reason: str) -> None:
    world.publish(message(1, segments=2))
    world.cycle()
    world.answer([0], "outcome_unknown", reason=reason)
    (value,) = of_topic(world.cycle(), MT_OUTCOMES)
    assert (value["index"], value["outcome"], value["reason"]) == (1, "outcome_unknown", reason)
    world.answer([1], "not_sent")
    (value,) = of_topic(world.cycle(), MT_OUTCOMES)
    assert (value["index"], value["outcome"], value["reason"]) == (2, "undeliverable", reason)
    world.run(1000)
    assert len(world.dispatches()) == 2


def test_an_expired_head_is_ended_without_credit() -> None:
    world = World()
    world.publish(message(1, validity_ms=1_000), message(2))
    world.run(1_100)
    (value,) = world.values(MT_STATUSES)
    status = Status.model_validate(value)
    assert (status.status, status.final, status.reason) == ("expired", True, "validity_passed")
    assert world.committed[segments_topic(CONNECTOR, "txn"), 0][0] == 1


def test_a_begun_message_that_expires_ends_by_outcomes_and_a_closed_mark(world: World) -> None:
    world.publish(message(1, validity_ms=5_000))
    world.cycle()
    world.lease(0, "unbound")
    world.answer([0], "not_sent")
    outs = world.run(7_000)
    (value,) = of_topic(outs, MT_OUTCOMES)
    assert (value["outcome"], value["reason"]) == ("expired", "validity_passed")
    assert world.values(MT_STATUSES) == []
    world.bind(0)
    world.crash()
    world.run(1_000)
    assert len(world.dispatches()) == 1
    assert len(world.values(MT_OUTCOMES)) == 1


def test_a_draining_connector_gives_its_lanes_back(world: World) -> None:
    world.publish(message(1), message(2, pinned=True))
    world.configure(policy(draining=True))
    world.cycle()
    assert world.dispatches() == []
    (value,) = world.values(MT_REROUTES)
    reroute = Reroute.model_validate(value)
    assert (reroute.context.message_id, reroute.status, reroute.reason) == (
        message(1).context.message_id,
        "undeliverable",
        "connector_removed",
    )
    assert reroute.queued, "whoever has it next does not tell it again"
    (status,) = world.values(MT_STATUSES)
    assert (status["message_id"], status["status"]) == (message(2).context.message_id, "undeliverable")
    assert status["reason"] == "connector_removed"


def test_a_draining_connector_finishes_what_it_began(world: World) -> None:
    world.publish(message(1, segments=2))
    world.cycle()
    world.configure(policy(draining=True))
    world.answer([0])
    world.answer([1], "not_sent")
    world.run(2_000)
    assert [d.index for d in world.dispatches()] == [1, 2, 2]
    assert world.values(MT_REROUTES) == []


def test_a_repeat_from_upstream_is_dropped(world: World) -> None:
    world.publish(message(1), message(1))
    outs = world.cycle()
    assert events_of(outs).count("duplicate") == 1
    assert len(world.dispatches()) == 1
    world.crash()
    world.publish(message(1))
    world.run(500)
    assert len(world.dispatches()) == 1


def test_bad_lane_records_go_to_the_dead_letters(world: World) -> None:
    topic = segments_topic(CONNECTOR, "txn")
    good = message(1)
    for value in (None, b"", b"[]", b"{}", good.model_copy(update={"segments": []}).to_json(), b"\xff"):
        world.append(Out(topic, b"shop", value))
    world.append(Out(topic, b"shop", good.to_json().replace(b'"txn"', b'"fast"')))
    world.publish(good)
    outs = world.cycle()
    assert len([o for o in outs if o.topic == "mt.segments.dlq"]) == 7
    assert len(world.dispatches()) == 1


def test_bad_feedback_goes_to_the_dead_letters(world: World) -> None:
    world.append(Out(feedback_topic(CONNECTOR), None, b"{", (), 0))
    assert [o.topic for o in world.cycle()] == ["mt.dispatch.dlq"]


def test_receipt_all_gets_queued_on_first_reading(world: World) -> None:
    world.publish(message(1, receipt="all"))
    world.cycle()
    (status,) = world.values(MT_STATUSES)
    assert (status["status"], status["final"]) == ("queued", False)


def test_answers_of_an_older_epoch_behind_a_fence_are_void(world: World) -> None:
    world.publish(message(1))
    world.cycle()
    world.new_owner(0)
    world.answered.clear()
    world.epochs[0] -= 1
    world.answer([0])
    outs = world.cycle()
    assert of_topic(outs, SUBMIT_RESULTS) == []
    assert [e["reason"] for e in of_topic(outs, MT_OUTCOMES)] == ["in_doubt"]


def test_an_answer_by_place_alone_is_understood(world: World) -> None:
    world.publish(message(1), message(2))
    world.cycle()
    world.answer([1], "permanent", error_code=None, with_id=False)
    (value,) = of_topic(world.cycle(), MT_OUTCOMES)
    assert value["context"][0] == message(2).context.message_id


def test_a_second_answer_changes_nothing(world: World) -> None:
    world.publish(message(1))
    world.cycle()
    world.answer([0])
    world.answer([0], "permanent", error_code=8)
    outs = world.cycle()
    assert (len(of_topic(outs, SUBMIT_RESULTS)), len(of_topic(outs, MT_OUTCOMES))) == (1, 0)
    assert world.dispatcher.binds.unanswered == 0


def test_what_a_lost_bind_did_not_send_moves_to_another_bind() -> None:
    world = World(policy(max_binds=2))
    world.bind(0)
    world.now_ms += 500
    world.publish(message(1, segments=2))
    world.run(500)
    world.lease(0, "released")
    world.bind(1)
    world.answer([0])
    world.answer([1], "not_sent")
    world.run(900)
    assert world.dispatches(1) == []  # within the second before, the other bind had the whole rate
    world.run(500)
    (moved,) = world.dispatches(1)
    assert (moved.index, moved.attempt, moved.run) == (2, 2, 1)
    world.crash()
    world.run(500)
    assert (len(world.dispatches(0)), len(world.dispatches(1))) == (2, 1)
    world.answer([0], partition=1)
    assert len(of_topic(world.cycle(), SUBMIT_RESULTS)) == 1


def test_traceparent_is_passed_on(world: World) -> None:
    headers = (("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),)
    world.append(Out(segments_topic(CONNECTOR, "txn"), b"shop", message(1).to_json(), headers))
    outs = world.cycle()
    world.crash()
    world.answer([0])
    outs += world.cycle()
    assert len(outs) == 4
    assert all(out.headers == headers for out in outs)


def test_it_sleeps_until_there_is_something_to_do(world: World) -> None:
    assert world.dispatcher.wake_at_ms(world.moment) is None
    world.configure(policy(tps=1))
    world.publish(message(1), message(2, validity_ms=60_000))
    world.cycle()
    assert len(world.dispatches()) == 1
    world.answer_all()
    world.cycle()
    wake = world.dispatcher.wake_at_ms(world.moment)
    assert wake is not None
    assert world.now_ms < wake <= world.now_ms + 1_000
    world.lease(0, "unbound")
    world.cycle()
    assert world.dispatcher.wake_at_ms(world.moment) == START_MS + 60_000


def test_an_answer_of_the_previous_version_still_meets_its_receipt() -> None:
    world = World(policy())
    world.bind(0)
    world.run(200)
    world.publish(message(1))
    world.cycle()
    (dispatch,) = world.dispatches()
    answer = {"id": dispatch.id, "offset": 0, "outcome": "accepted", "command_status": 0, "smsc_message_id": "00FF"}
    record = {
        "schema_version": 1,
        "kind": "answers",
        "connector_id": CONNECTOR,
        "partition": 0,
        "answers": [answer | {"submitted_at_ms": world.now_ms, "answered_at_ms": world.now_ms}],
    }
    world.append(Out(feedback_topic(CONNECTOR), None, orjson.dumps(record), (), 0))
    (out,) = [o for o in world.cycle() if o.topic == SUBMIT_RESULTS]
    assert out.key == b"acme|ff"


def test_markers_behind_the_last_record_are_committed_and_never_past_a_record_that_waits(world: World) -> None:
    lane, feedback = (segments_topic(CONNECTOR, "txn"), 0), (feedback_topic(CONNECTOR), 0)
    world.publish(message(1))
    world.cycle()
    world.dispatcher.commits()
    world.dispatcher.pass_markers("txn", 0, 5)
    world.dispatcher.pass_markers(None, 0, 3)
    world.dispatcher.pass_markers("txn", 0, 4)
    world.dispatcher.pass_markers("bulk", 0, 1)
    world.dispatcher.pass_markers(None, 7, 3)
    moved = world.dispatcher.commits()
    assert {place: offset for place, (offset, _) in moved.items()} == {
        lane: 5,
        feedback: 3,
        (segments_topic(CONNECTOR, "bulk"), 0): 1,
    }
