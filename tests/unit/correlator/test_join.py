"""Step one: submit results and receipts of one partition, in either order."""

from base64 import b64decode, b64encode
from typing import Any

import orjson
import pytest

from schemas.joins import ClosedEntry, JoinEntries, OpenEntry, SeenReceipt
from schemas.lifecycle_events import LifecycleEvent
from schemas.outcomes import Outcome
from schemas.statuses import Status
from schemas.topics import JOINS, LIFECYCLE_EVENTS, MT_OUTCOMES, MT_STATUSES
from services.correlator.join.deadlines import BROKERS_APART_MS, WATERMARK_MARGIN_MS
from services.correlator.join.due import CLOSED_KEEP_MS, EXPIRE_MAX
from services.correlator.join.early import EARLY_KEEP_MS, EARLY_MAX, EARLY_TELL_MS, TELL_WIDTH_MS
from services.correlator.join.entries import ENTRIES_MAX
from services.correlator.join.partition import FORGET_WIDTH_MS, JoinPartition
from services.correlator.join.receipts import read_receipt
from services.correlator.join.rules import JoinRules
from shared.kafka.records import Out
from shared.messages.ids import status_id_of
from tests.unit.correlator.making import (
    DEADLINE_MS,
    EVENTS,
    HOUR_MS,
    T0,
    events,
    message_id,
    of_topic,
    outcomes,
    raw_receipt,
    receipt_record,
    statuses,
    submit_result,
    submitted,
)

KEY = b"acme|1"


def _join() -> JoinPartition:
    return JoinPartition(0, EVENTS)


def _seen(stat: str = "DELIVRD", *, offset: int = 0, at_ms: int = T0 + 5_010, **changes: Any) -> SeenReceipt:
    return read_receipt(receipt_record(raw_receipt(stat=stat, **changes), offset=offset, at_ms=at_ms), JoinRules())


def _orphans(outs: list[Out]) -> list[str]:
    """Why, of each orphan."""
    return [e["reason"] for e in of_topic(outs, LIFECYCLE_EVENTS) if e["event"] == "orphan_receipt"]


def _prove(join: JoinPartition, at_ms: int) -> None:
    join.due.receipts_clock.read_to_watermark(at_ms + WATERMARK_MARGIN_MS)
    join.due.results_clock.read_to_watermark(at_ms + WATERMARK_MARGIN_MS)
    join.due.expire()


def _restored(log: list[Out]) -> JoinPartition:
    join = _join()
    for out in log:
        if out.topic == JOINS:
            join.table.restore(out.key or b"", out.value)
    list(join.restored())
    return join


@pytest.mark.parametrize("receipt_first", [False, True])
@pytest.mark.parametrize("one_cycle", [False, True])
def test_a_pair_ends_its_message_in_either_order(receipt_first: bool, one_cycle: bool) -> None:
    join, outs = _join(), []
    for receipt in (receipt_first, not receipt_first):
        if receipt:
            join.receipt(KEY, _seen())
        else:
            join.result(KEY, submitted())
        if not one_cycle:
            outs += join.flush()
    outs += join.flush()
    assert statuses(outs) == [("delivered", True, None)]
    assert events(outs) == ["receipt"]
    assert of_topic(outs, MT_OUTCOMES) == []


def test_the_status_record_carries_what_the_result_brought_and_when_the_receipt_came() -> None:
    join = _join()
    join.result(KEY, submitted())
    join.receipt(KEY, _seen("UNDELIV", err="069"))
    outs = join.flush()
    record = next(out for out in outs if out.topic == MT_STATUSES)
    assert record.key == message_id(1).encode()
    assert Status.from_json(record.value or b"") == Status(
        status_id=status_id_of(T0, message_id(1), "undeliverable"),
        message_id=message_id(1),
        account_id="shop",
        idempotency_key="order-1",
        from_="SHOP",
        to="447700900123",
        status="undeliverable",
        final=True,
        reason="smsc_undelivered",
        connector_id="acme-1",
        segments=1,
        segments_delivered=0,
        smsc_error="069",
        accepted_at_ms=T0,
        occurred_at_ms=T0 + 5_000,
        metadata={"campaign": "spring"},
    )


def test_events_fit_their_schema_and_tell_the_segment() -> None:
    join = _join()
    join.result(KEY, submitted(attempt=2))
    join.receipt(KEY, _seen())
    found = [LifecycleEvent.model_validate(e) for e in of_topic(join.flush(), LIFECYCLE_EVENTS)]
    receipt, status = found
    assert (receipt.event, receipt.segment_index, receipt.attempt, receipt.status) == ("receipt", 1, 2, "delivered")
    assert (status.event, status.status, status.final, status.segments_delivered) == ("status", "delivered", True, 1)
    assert {e.accepted_at_ms for e in found} == {T0}
    assert {e.message_id for e in found} == {message_id(1)}


def test_what_is_kept_fits_the_schema_and_a_closed_mark_is_small() -> None:
    join = _join()
    join.result(KEY, submitted())
    opened = [out for out in join.flush() if out.topic == JOINS]
    join.receipt(KEY, _seen())
    closed = [out for out in join.flush() if out.topic == JOINS]
    kept = [JoinEntries.from_json(out.value or b"").entries[0] for out in (*opened, *closed)]
    assert [entry.kind for entry in kept] == ["open", "closed"]
    assert all(entry.deadline_at_ms == DEADLINE_MS for entry in kept if isinstance(entry, OpenEntry | ClosedEntry))
    assert len(closed[0].value or b"") < 190


@pytest.mark.parametrize("stat", ["ENROUTE", "ACCEPTD", "UNKNOWN", "BANANA"])
def test_a_word_that_is_no_end_leaves_the_segment_open(stat: str) -> None:
    join = _join()
    join.result(KEY, submitted())
    join.receipt(KEY, _seen(stat))
    outs = join.flush()
    assert (statuses(outs), events(outs)) == ([], ["intermediate_receipt"])
    join.receipt(KEY, _seen(offset=1))
    assert statuses(join.flush()) == [("delivered", True, None)]


def test_an_intermediate_receipt_that_came_early_does_not_hide_the_final_one() -> None:
    join = _join()
    join.receipt(KEY, _seen("ENROUTE"))
    join.receipt(KEY, _seen("DELIVRD", offset=1))
    join.result(KEY, submitted())
    outs = join.flush()
    assert (statuses(outs), events(outs)) == ([("delivered", True, None)], ["intermediate_receipt", "receipt"])


@pytest.mark.parametrize("early", [False, True])
def test_receipt_none_is_submitted_and_final_at_once(early: bool) -> None:
    join = _join()
    if early:
        join.receipt(KEY, _seen())
    join.result(KEY, submitted(receipt="none"))
    if not early:
        join.receipt(KEY, _seen())
    outs = join.flush()
    assert (statuses(outs), events(outs)) == ([("submitted", True, None)], ["late_receipt"])
    assert of_topic(outs, MT_STATUSES)[0]["occurred_at_ms"] == T0 + 80


def test_receipt_all_is_submitted_first_and_final_with_the_receipt() -> None:
    join = _join()
    join.result(KEY, submitted(receipt="all"))
    join.receipt(KEY, _seen("EXPIRED"))
    assert statuses(join.flush()) == [("submitted", False, None), ("expired", True, "smsc_expired")]


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ("final", [(2, "delivered", None)]),
        ("all", [(2, "submitted", None), (2, "delivered", None)]),
        ("none", [(2, "submitted", None)]),
    ],
)
def test_segments_of_a_longer_message_are_left_to_the_fold(wish: str, expected: list[Any]) -> None:
    join = _join()
    join.result(KEY, submitted(segments=3, index=2, receipt=wish))
    join.receipt(KEY, _seen())
    outs = join.flush()
    assert statuses(outs) == []
    assert outcomes(outs) == expected
    outcome = Outcome.model_validate(of_topic(outs, MT_OUTCOMES)[0])
    assert (outcome.segments, outcome.index, outcome.context.receipt) == (3, 2, wish)
    assert outcome.model_dump(exclude={"index", "attempt", "outcome", "reason", "smsc_error", "occurred_at_ms"}) == {
        name: value
        for name, value in submit_result(segments=3, receipt=wish).model_dump().items()
        if name in Outcome.model_fields and name not in ("index", "attempt")
    }


# -- late, repeated, unknown ------------------------------------------------------------------------------------------


def test_a_second_receipt_is_late_whatever_it_says() -> None:
    join = _join()
    join.result(KEY, submitted())
    for offset, stat in enumerate(("UNDELIV", "DELIVRD", "UNDELIV", "ENROUTE")):
        join.receipt(KEY, _seen(stat, offset=offset))
    outs = join.flush()
    assert statuses(outs) == [("undeliverable", True, "smsc_undelivered")]
    assert events(outs) == ["receipt", "late_receipt", "late_receipt", "intermediate_receipt"]
    late = [e for e in of_topic(outs, LIFECYCLE_EVENTS) if e["event"] == "late_receipt"]
    assert [e["status"] for e in late] == ["delivered", "undeliverable"]
    assert len({e["event_id"] for e in of_topic(outs, LIFECYCLE_EVENTS)}) == 5


@pytest.mark.parametrize("closed", [False, True])
def test_a_repeated_result_changes_nothing(closed: bool) -> None:
    join = _join()
    join.result(KEY, submitted(receipt="all"))
    if closed:
        join.receipt(KEY, _seen())
    join.flush()
    join.result(KEY, submitted(receipt="all"))
    assert join.flush() == []


def test_a_receipt_goes_to_the_newest_open_entry_then_to_the_next() -> None:
    join = _join()
    for number in (1, 2, 3):
        join.result(KEY, submitted(number))
    for offset, stat in enumerate(("UNDELIV", "EXPIRED", "DELIVRD", "REJECTD")):
        join.receipt(KEY, _seen(stat, offset=offset))
    found = [(e["message_id"], e["event"], e["status"]) for e in of_topic(join.flush(), LIFECYCLE_EVENTS)]
    assert [item for item in found if item[1] != "status"] == [
        (message_id(3), "receipt", "undeliverable"),
        (message_id(2), "receipt", "expired"),
        (message_id(1), "receipt", "delivered"),
        (message_id(3), "late_receipt", "undeliverable"),
    ]


def test_a_receipt_without_an_id_is_an_orphan_at_once() -> None:
    join = _join()
    join.receipt(b"acme|?", _seen(smsc_id=""))
    outs = join.flush()
    assert events(outs) == ["orphan_receipt"]
    assert len(join.table) == 0


def test_an_early_receipt_is_an_orphan_when_no_result_came_for_72_hours() -> None:
    join = _join()
    join.receipt(KEY, _seen())
    join.flush()
    told_at = T0 + 5_010 + EARLY_TELL_MS
    _prove(join, told_at - 1)
    assert join.flush() == []
    _prove(join, told_at + TELL_WIDTH_MS)
    assert _orphans(join.flush()) == ["no_submission_yet"]
    forgotten_at = T0 + 5_010 + EARLY_KEEP_MS
    _prove(join, forgotten_at - 1)
    assert join.flush() == []
    _prove(join, forgotten_at + HOUR_MS)
    outs = join.flush()
    assert _orphans(outs) == ["no_submission"]
    assert [(out.key, out.value) for out in outs if out.topic == JOINS] == [(KEY, None)]


def test_an_orphan_is_told_with_everything_raw_but_the_words_of_the_message() -> None:
    join = _join()
    payload = (0x0424, b64encode("id:9 stat:DELIVRD text:geheim".encode("utf-16-be")).decode())
    join.receipt(b"acme|?", _seen(smsc_message_id="", short_message=b64encode(b"stat:X Text:secret").decode()))
    join.receipt(b"acme|9", _seen(smsc_message_id="9", tlvs=[payload, (0x1403, "AQI=")], short_message=""))
    _prove(join, T0 + EARLY_TELL_MS + HOUR_MS)
    first, second = [e for e in of_topic(join.flush(), LIFECYCLE_EVENTS) if e["event"] == "orphan_receipt"]
    assert (first["reason"], second["reason"]) == ("no_id", "no_submission_yet")
    raw = orjson.loads(first["detail"])
    assert b64decode(raw["short_message"]) == b"stat:X Text:******"
    assert (raw["partition"], raw["offset"], raw["source_addr"], raw["esm_class"]) == (0, 0, "447700900123", 4)
    tlvs = dict(orjson.loads(second["detail"])["tlvs"])
    assert b64decode(tlvs[0x0424]).decode("utf-16-be") == "id:9 stat:DELIVRD text:******"
    assert tlvs[0x1403] == "AQI="


def test_an_early_receipt_is_not_forgotten_while_results_are_still_to_be_read() -> None:
    join = _join()
    join.receipt(KEY, _seen())
    join.due.receipts_clock.read_to_watermark(T0 + 30 * 24 * HOUR_MS)
    join.due.expire()
    join.result(KEY, submitted())
    assert statuses(join.flush()) == [("delivered", True, None)]


def test_too_many_early_receipts_under_one_id_are_orphans() -> None:
    join = _join()
    for offset in range(EARLY_MAX + 2):
        join.receipt(KEY, _seen("ENROUTE", offset=offset))
    assert events(join.flush()) == ["orphan_receipt"] * 2


# -- deadlines --------------------------------------------------------------------------------------------------------


def test_a_missing_receipt_is_told_when_the_log_has_passed_the_deadline() -> None:
    join = _join()
    join.result(KEY, submitted())
    join.flush()
    _prove(join, DEADLINE_MS - 1)
    assert join.flush() == []
    _prove(join, DEADLINE_MS + 999)
    outs = join.flush()
    assert statuses(outs) == [("receipt_missing", True, "receipt_deadline")]
    assert events(outs) == ["receipt_missing"]
    assert {e["occurred_at_ms"] for e in of_topic(outs, LIFECYCLE_EVENTS)} == {DEADLINE_MS}


def test_time_alone_decides_nothing() -> None:
    join = _join()
    join.result(KEY, submitted())
    assert join.due.needs_proof(DEADLINE_MS + 10 * HOUR_MS)
    join.due.expire()
    assert statuses(join.flush()) == []


@pytest.mark.parametrize(("late_by_ms", "status"), [(0, "delivered"), (1, "receipt_missing")])
@pytest.mark.parametrize("early", [False, True])
def test_a_receipt_counts_by_its_record_time(late_by_ms: int, status: str, early: bool) -> None:
    join = _join()
    seen = _seen(at_ms=DEADLINE_MS + late_by_ms)
    if early:
        join.receipt(KEY, seen)
        join.result(KEY, submitted())
    else:
        join.result(KEY, submitted())
        join.receipt(KEY, seen)
    outs = join.flush()
    assert [s[0] for s in statuses(outs)] == [status]
    assert events(outs) == (["receipt_missing", "late_receipt"] if late_by_ms else ["receipt"])


def test_a_later_record_of_another_segment_proves_a_deadline() -> None:
    join = _join()
    join.result(KEY, submitted())
    join.receipt(b"acme|2", _seen(smsc_id="2", at_ms=DEADLINE_MS + 1_001))
    join.due.expire()
    assert statuses(join.flush()) == [("receipt_missing", True, "receipt_deadline")]


def test_a_result_that_is_read_after_its_deadline_has_passed_in_the_log_ends_at_once() -> None:
    join = _join()
    _prove(join, DEADLINE_MS)
    join.result(KEY, submitted())
    assert statuses(join.flush()) == [("receipt_missing", True, "receipt_deadline")]


def test_the_next_due_time_is_a_second_after_the_deadline_and_none_when_idle() -> None:
    join = _join()
    assert join.due.next_due_ms() is None
    join.result(KEY, submitted())
    due = join.due.next_due_ms()
    assert due is not None
    assert DEADLINE_MS + WATERMARK_MARGIN_MS <= due <= DEADLINE_MS + 2_000
    assert not join.due.needs_proof(due - 1)
    assert join.due.needs_proof(due)


def test_with_several_brokers_a_receipt_in_time_may_lie_behind_records_that_look_later() -> None:
    """The new leader of the partition is 10 s behind the old one."""
    join = JoinPartition(0, EVENTS, apart_ms=BROKERS_APART_MS)
    join.result(KEY, submitted())
    join.receipt(b"acme|2", _seen(smsc_id="2", at_ms=DEADLINE_MS + BROKERS_APART_MS))
    join.due.expire()
    assert statuses(join.flush()) == []
    due = join.due.next_due_ms()
    assert due is not None
    assert due >= DEADLINE_MS + WATERMARK_MARGIN_MS + BROKERS_APART_MS
    assert not join.due.needs_proof(due - 1)
    assert join.due.needs_proof(due)
    join.receipt(KEY, _seen(at_ms=DEADLINE_MS))
    assert [status[0] for status in statuses(join.flush())] == ["delivered"]


def test_deadlines_of_closed_entries_need_no_proof() -> None:
    join = _join()
    join.result(KEY, submitted())
    join.receipt(KEY, _seen())
    join.flush()
    due = join.due.next_due_ms()
    assert due is not None
    assert not join.due.needs_proof(due)
    later = join.due.next_due_ms()
    assert later is not None
    assert later >= DEADLINE_MS + CLOSED_KEEP_MS


@pytest.mark.parametrize("closed", [False, True])
def test_what_waited_while_nobody_ran_is_decided_in_pieces(closed: bool) -> None:
    join = _join()
    for number in range(2 * EXPIRE_MAX + 1):
        key = b"acme|%d" % number
        join.result(key, submitted(number, smsc_message_id=str(number)))
        if closed:
            join.receipt(key, _seen(smsc_id=str(number)))
    join.flush()
    _prove(join, DEADLINE_MS + 999)
    pieces = []
    while join.due.next_due_ms() == 0:
        pieces.append(len(statuses(join.flush())))
        join.due.expire()
    pieces.append(len(statuses(join.flush())))
    assert max(pieces) <= EXPIRE_MAX
    assert sum(pieces) == (0 if closed else 2 * EXPIRE_MAX + 1)
    assert join.due.next_due_ms() == (DEADLINE_MS + CLOSED_KEEP_MS) // FORGET_WIDTH_MS * FORGET_WIDTH_MS + (
        FORGET_WIDTH_MS - 1 + WATERMARK_MARGIN_MS
    )


def test_a_closed_mark_is_forgotten_a_day_after_its_deadline_and_a_receipt_after_that_is_an_orphan() -> None:
    join = _join()
    join.result(KEY, submitted())
    join.receipt(KEY, _seen())
    join.flush()
    _prove(join, DEADLINE_MS + CLOSED_KEEP_MS - 1)
    assert join.flush() == []
    _prove(join, DEADLINE_MS + CLOSED_KEEP_MS + HOUR_MS)
    assert [(out.key, out.value) for out in join.flush()] == [(KEY, None)]
    assert join.due.next_due_ms() is None
    join.receipt(KEY, _seen(at_ms=DEADLINE_MS + CLOSED_KEEP_MS + 2 * HOUR_MS))
    _prove(join, DEADLINE_MS + CLOSED_KEEP_MS + EARLY_KEEP_MS + 3 * HOUR_MS)
    assert _orphans(join.flush()) == ["no_submission_yet", "no_submission"]


# -- restore, limits --------------------------------------------------------------------------------------------------


def test_a_restored_partition_goes_on_where_the_old_one_stopped() -> None:
    join, log = _join(), []
    join.result(b"acme|1", submitted(1, metadata={}, idempotency_key=""))
    join.result(b"acme|2", submitted(2))
    join.receipt(b"acme|3", _seen(smsc_id="3", offset=1))
    log += join.flush()
    join.receipt(b"acme|2", _seen(smsc_id="2", offset=2))
    log += join.flush()
    join = _restored(log)
    join.receipt(b"acme|1", _seen("UNDELIV", offset=3))
    join.receipt(b"acme|2", _seen(smsc_id="2", offset=4))
    join.result(b"acme|3", submitted(3))
    outs = join.flush()
    found = {(s["message_id"], s["status"]) for s in of_topic(outs, MT_STATUSES)}
    assert found == {(message_id(1), "undeliverable"), (message_id(3), "delivered")}
    assert events(outs) == ["receipt", "late_receipt", "receipt"]


def test_deadlines_and_forgetting_are_known_again_after_a_restore() -> None:
    join = _join()
    join.result(b"acme|1", submitted(1))
    join.receipt(b"acme|3", _seen(smsc_id="3"))
    join = _restored(join.flush())
    _prove(join, DEADLINE_MS + 999)
    assert [s[0] for s in statuses(join.flush())] == ["receipt_missing"]
    _prove(join, T0 + EARLY_KEEP_MS + HOUR_MS)
    assert events(join.flush()) == ["orphan_receipt"]


def test_the_trace_of_a_message_is_kept_with_its_entry() -> None:
    trace = (("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),)
    join = _join()
    join.result(KEY, submitted()._replace(entry=submitted().entry._replace(traceparent=trace[0][1].decode())))
    join = _restored(join.flush())
    join.receipt(KEY, _seen())
    assert {out.headers for out in join.flush() if out.topic != JOINS} == {trace}


def test_an_smsc_that_reuses_one_id_for_everything_does_not_grow_an_entry_without_end() -> None:
    join, ended = _join(), []
    for number in range(3 * ENTRIES_MAX):
        join.result(KEY, submitted(number))
    outs = join.flush()
    assert max(len(JoinEntries.from_json(o.value or b"").entries) for o in outs) == ENTRIES_MAX
    for offset in range(ENTRIES_MAX):
        join.receipt(KEY, _seen(offset=offset))
    join.result(KEY, submitted(1_000))
    join.result(KEY, submitted(3 * ENTRIES_MAX - 1))
    ended += of_topic(join.flush(), MT_STATUSES)
    _prove(join, DEADLINE_MS + 999)
    ended += of_topic(join.flush(), MT_STATUSES)
    assert len(ended) == len({s["message_id"] for s in ended}) == 3 * ENTRIES_MAX + 1
