"""One cycle of the join: which record goes where, replays, dead letters, proofs."""

import pytest

from schemas.topics import RECEIPTS, SUBMIT_RESULTS
from services.correlator.join.cycle import JoinCycle
from services.correlator.join.deadlines import WATERMARK_MARGIN_MS
from services.correlator.join.partition import JoinPartition
from services.correlator.join.rules import ReceiptOptions
from shared.kafka.records import In
from tests.unit.correlator.making import (
    DEADLINE_MS,
    EVENTS,
    T0,
    Record,
    events,
    message_id,
    of_topic,
    raw_receipt,
    receipt_record,
    result_record,
    statuses,
    submit_result,
)


def _cycle(*numbers: int) -> JoinCycle:
    cycle = JoinCycle()
    for number in numbers or (0,):
        cycle.partitions[number] = JoinPartition(number, EVENTS, cycle.rules)
    return cycle


def test_a_batch_of_both_topics() -> None:
    cycle = _cycle()
    records: list[In] = [
        receipt_record(raw_receipt()),
        result_record(submit_result()),
    ]
    outs = cycle.take(records, T0) + cycle.flush()
    assert statuses(outs) == [("delivered", True, None)]
    assert events(outs) == ["receipt"]


def test_results_of_a_batch_go_first_so_that_no_receipt_has_to_wait() -> None:
    cycle = _cycle()
    outs = cycle.take([receipt_record(raw_receipt()), result_record(submit_result())], T0) + cycle.flush()
    kept = of_topic(outs, "correlator.joins")
    assert len(kept) == 2
    assert kept[0]["entries"][0][0] == "closed"
    assert kept[1]["positions"] == {SUBMIT_RESULTS: 1, RECEIPTS: 1}


def test_a_replay_of_what_the_state_contains_changes_nothing() -> None:
    cycle = _cycle()
    records: list[In] = [result_record(submit_result(), offset=4), receipt_record(raw_receipt(), offset=9)]
    cycle.take(records, T0)
    cycle.flush()
    assert cycle.take(records, T0) + cycle.flush() == []


def test_partitions_are_apart() -> None:
    cycle = _cycle(0, 3)
    cycle.take([result_record(submit_result(), partition=3), receipt_record(raw_receipt(), partition=0)], T0)
    outs = cycle.flush()
    assert statuses(outs) == []
    assert {out.partition for out in outs} == {0, 3}


@pytest.mark.parametrize(
    "record",
    [
        Record(SUBMIT_RESULTS, 0, 5, T0, b"acme|1", b"{"),
        Record(SUBMIT_RESULTS, 0, 5, T0, b"acme|1", submit_result().to_json().replace(b"1700000000080", b'"soon"')),
        Record(SUBMIT_RESULTS, 0, 5, T0, b"acme|1", submit_result().to_json().replace(b"1700000000080", b"1" * 30)),
        Record(SUBMIT_RESULTS, 0, 5, T0, None, submit_result().to_json()),
        Record(SUBMIT_RESULTS, 0, 5, T0, b"nonsense", submit_result().to_json()),
        Record(RECEIPTS, 0, 5, T0, b"acme|1", None),
        Record(RECEIPTS, 0, 5, T0, None, raw_receipt().to_json()),
    ],
)
def test_a_bad_record_is_a_dead_letter_and_the_rest_goes_on(record: Record) -> None:
    cycle = _cycle()
    good: list[In] = [result_record(submit_result(2), "acme|2", 6), receipt_record(raw_receipt("2"), "acme|2", 6)]
    outs = cycle.take([record, *good], T0) + cycle.flush()
    dead = [out for out in outs if out.topic.endswith(".dlq")]
    assert [(out.topic, out.key, out.value) for out in dead] == [(f"{record.topic}.dlq", record.key, record.value)]
    headers = dict(dead[0].headers)
    assert (headers["dlq_offset"], headers["dlq_service"], headers["dlq_reason"]) == (
        b"5",
        b"correlator",
        b"invalid_record",
    )
    assert statuses(outs) == [("delivered", True, None)]


def test_the_first_wrong_field_is_named() -> None:
    record = Record(
        SUBMIT_RESULTS, 0, 5, T0, b"acme|1", submit_result().to_json().replace(b'"index":1', b'"index":"x"')
    )
    dead = _cycle().take([record], T0)
    assert dict(dead[0].headers)["dlq_field"] == b"index"


def test_only_partitions_with_an_open_deadline_need_a_watermark_and_it_decides_them() -> None:
    cycle = _cycle(0, 1)
    assert cycle.next_due_ms() is None
    cycle.take([result_record(submit_result(), partition=1)], T0)
    cycle.flush()
    due = cycle.next_due_ms()
    assert due is not None
    assert cycle.unproven(due - 1) == []
    assert cycle.unproven(due) == [1]
    cycle.read_to_watermark(SUBMIT_RESULTS, 1, due)
    cycle.expire()
    assert statuses(cycle.flush()) == []
    cycle.read_to_watermark(RECEIPTS, 1, DEADLINE_MS + WATERMARK_MARGIN_MS - 1)
    cycle.expire()
    assert statuses(cycle.flush()) == []
    cycle.read_to_watermark(RECEIPTS, 1, due)
    cycle.expire()
    outs = cycle.flush()
    assert [s["message_id"] for s in of_topic(outs, "mt.statuses")] == [message_id(1)]
    assert cycle.unproven(due) == []


def test_the_receipt_map_of_the_configuration_is_used() -> None:
    cycle = _cycle()
    cycle.rules.options["acme-1"] = ReceiptOptions({"OK": "DELIVRD"})
    outs = cycle.take([result_record(submit_result()), receipt_record(raw_receipt(stat="Ok"))], T0) + cycle.flush()
    assert statuses(outs) == [("delivered", True, None)]
