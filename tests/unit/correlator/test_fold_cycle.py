"""One cycle of the fold: replays, dead letters, forgetting."""

import pytest

from schemas.topics import MT_OUTCOMES
from services.correlator.fold.cycle import FoldCycle
from services.correlator.fold.partition import CLOSED_KEEP_MS, FoldPartition
from tests.unit.correlator.making import EVENTS, T0, Record, of_topic, outcome, outcome_record, statuses


def _cycle() -> FoldCycle:
    cycle = FoldCycle()
    cycle.partitions[0] = FoldPartition(0, EVENTS)
    return cycle


def test_outcomes_in_and_a_status_out_with_the_position() -> None:
    cycle = _cycle()
    outs = cycle.take([outcome_record(outcome(index=i), offset=i) for i in (1, 2)], T0) + cycle.flush(T0)
    assert statuses(outs) == [("delivered", True, None)]
    assert of_topic(outs, "correlator.folds")[-1]["positions"] == {MT_OUTCOMES: 3}
    assert cycle.take([outcome_record(outcome(index=2), offset=2)], T0) + cycle.flush(T0) == []


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (Record(MT_OUTCOMES, 0, 5, T0, b"x", b"nonsense"), b""),
        (Record(MT_OUTCOMES, 0, 5, T0, b"x", None), b""),
        (outcome_record(outcome(index=3), offset=5), b""),
        (outcome_record(outcome(index=0), offset=5), b""),
        (Record(MT_OUTCOMES, 0, 5, T0, b"x", outcome().to_json().replace(b"delivered", b"eaten")), b"outcome"),
        (Record(MT_OUTCOMES, 0, 5, T0, b"x", outcome().to_json().replace(b"1700000001001", b"1" * 30)), b""),
    ],
)
def test_a_bad_record_is_a_dead_letter_and_the_rest_goes_on(record: Record, field: bytes) -> None:
    cycle = _cycle()
    outs = cycle.take([record, outcome_record(outcome(2, segments=1), offset=6)], T0) + cycle.flush(T0)
    dead = [out for out in outs if out.topic == f"{MT_OUTCOMES}.dlq"]
    assert [(out.key, out.value) for out in dead] == [(record.key, record.value)]
    assert field in (dict(dead[0].headers)["dlq_field"] or b"")
    assert statuses(outs) == [("delivered", True, None)]


def test_closed_marks_are_forgotten_by_the_clock() -> None:
    cycle = _cycle()
    cycle.take([outcome_record(outcome(segments=1), at_ms=T0)], T0)
    cycle.flush(T0)
    due = cycle.next_due_ms()
    assert due is not None
    assert due >= T0 + CLOSED_KEEP_MS
    assert [out.value for out in cycle.flush(due)] == [None]
    assert cycle.next_due_ms() is None
