"""Step two: outcomes of segments, folded into one final status."""

from typing import Any

import pytest

from schemas.folds import FoldEntry, OpenFold
from schemas.outcomes import Outcome
from schemas.statuses import Status
from schemas.topics import FOLDS, LIFECYCLE_EVENTS, MT_STATUSES
from services.correlator.fold.partition import CLOSED_KEEP_MS, FORGET_WIDTH_MS, FoldPartition
from shared.kafka.records import Out
from tests.unit.correlator.making import EVENTS, T0, events, message_id, of_topic, outcome, statuses


def _fold() -> FoldPartition:
    return FoldPartition(0, EVENTS)


def _folded(*outcomes: Outcome) -> list[Out]:
    fold = _fold()
    for one in outcomes:
        fold.outcome(one, T0)
    return fold.flush()


def test_a_message_ends_with_its_last_segment() -> None:
    fold = _fold()
    fold.outcome(outcome(index=2), T0)
    assert statuses(fold.flush()) == []
    fold.outcome(outcome(index=1), T0)
    outs = fold.flush()
    assert statuses(outs) == [("delivered", True, None)]
    status = Status.model_validate(of_topic(outs, MT_STATUSES)[0])
    assert (status.segments, status.segments_delivered, status.occurred_at_ms) == (2, 2, T0 + 1_002)
    assert (status.account_id, status.idempotency_key, status.metadata) == ("shop", "order-1", {"campaign": "spring"})


def test_a_single_segment_that_never_was_accepted_ends_at_once() -> None:
    outs = _folded(outcome(word="undeliverable", reason="smsc_refused", smsc_error="0x0000000b", segments=1))
    assert statuses(outs) == [("undeliverable", True, "smsc_refused")]
    assert of_topic(outs, MT_STATUSES)[0]["smsc_error"] == "0x0000000b"


def test_a_repeat_of_an_outcome_changes_nothing() -> None:
    fold = _fold()
    fold.outcome(outcome(index=1), T0)
    fold.flush()
    fold.outcome(outcome(index=1, word="undeliverable"), T0)
    assert fold.flush() == []
    fold.outcome(outcome(index=2), T0)
    assert [s[0] for s in statuses(fold.flush())] == ["delivered"]
    fold.outcome(outcome(index=2, word="undeliverable"), T0)
    assert fold.flush() == []


def test_receipt_all_is_submitted_once_when_every_segment_is_accepted() -> None:
    def said(index: int, word: str) -> Outcome:
        return outcome(index=index, word=word, receipt="all")

    outs = _folded(
        said(2, "submitted"),
        said(2, "delivered"),
        said(1, "submitted"),
        said(1, "submitted"),
        said(1, "expired"),
    )
    assert statuses(outs) == [("submitted", False, None), ("partially_delivered", True, None)]


def test_receipt_all_is_never_submitted_when_a_segment_failed() -> None:
    outs = _folded(
        outcome(index=1, word="submitted", receipt="all"),
        outcome(index=2, word="undeliverable", receipt="all"),
        outcome(index=1, word="delivered", receipt="all"),
    )
    assert [s[0] for s in statuses(outs)] == ["partially_delivered"]


def test_receipt_none_ends_as_submitted_when_every_segment_is_accepted() -> None:
    outs = _folded(*(outcome(index=i, word="submitted", receipt="none") for i in (1, 2)))
    assert statuses(outs) == [("submitted", True, None)]
    assert of_topic(outs, MT_STATUSES)[0]["segments_delivered"] == 0


@pytest.mark.parametrize("closed", [False, True])
def test_an_outcome_of_an_older_route_is_an_event_only(closed: bool) -> None:
    fold = _fold()
    fold.outcome(outcome(index=1, route_no=1), T0)
    if closed:
        fold.outcome(outcome(index=2, route_no=1), T0)
    fold.flush()
    fold.outcome(outcome(index=2, route_no=0, word="undeliverable"), T0)
    outs = fold.flush()
    assert (statuses(outs), events(outs)) == ([], ["late_response"])
    assert of_topic(outs, LIFECYCLE_EVENTS)[0]["detail"] == "an outcome of a route that no longer decides"


def test_a_newer_route_replaces_what_an_older_one_left_open() -> None:
    outs = _folded(
        outcome(index=1, route_no=0, word="undeliverable"),
        outcome(index=1, route_no=1, connector_id="beta-1"),
        outcome(index=2, route_no=1, connector_id="beta-1"),
    )
    assert [s[0] for s in statuses(outs)] == ["delivered"]
    assert of_topic(outs, MT_STATUSES)[0]["connector_id"] == "beta-1"


def test_what_is_kept_fits_the_schema() -> None:
    outs = _folded(outcome(index=1, word="expired", reason="smsc_expired"))
    entry = FoldEntry.model_validate(of_topic(outs, FOLDS)[0]).entry
    assert isinstance(entry, OpenFold)
    assert [tuple(o) for o in entry.outcomes] == [(1, "expired", "smsc_expired", "", T0 + 1_001)]


def test_a_restored_fold_goes_on_and_still_knows_what_is_closed() -> None:
    fold, log = _fold(), []
    fold.outcome(outcome(1, index=1, metadata={}, idempotency_key=None), T0)
    for index in (1, 2):
        fold.outcome(outcome(2, index=index), T0)
    log += fold.flush()
    fold = _fold()
    for out in log:
        if out.topic == FOLDS:
            fold.table.restore(out.key or b"", out.value)
    list(fold.restored())
    fold.outcome(outcome(2, index=2, word="undeliverable"), T0)
    fold.outcome(outcome(1, index=2, metadata={}, idempotency_key=None), T0)
    assert [s["message_id"] for s in of_topic(fold.flush(), MT_STATUSES)] == [message_id(1)]
    assert fold.next_due_ms() is not None


def test_a_closed_mark_is_forgotten_a_day_later() -> None:
    fold = _fold()
    assert fold.next_due_ms() is None
    fold.outcome(outcome(segments=1), T0)
    fold.flush()
    due = fold.next_due_ms()
    assert due is not None
    assert T0 + CLOSED_KEEP_MS <= due < T0 + CLOSED_KEEP_MS + FORGET_WIDTH_MS
    fold.expire(due - 1)
    assert fold.flush() == []
    fold.expire(due)
    assert [(out.key, out.value) for out in fold.flush()] == [(message_id(1).encode(), None)]
    assert fold.next_due_ms() is None


def test_the_trace_context_is_passed_on() -> None:
    trace: Any = (("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),)
    fold = _fold()
    fold.outcome(outcome(segments=1), T0, trace)
    assert {out.headers for out in fold.flush() if out.topic != FOLDS} == {trace}


# -- one receipt for the message --------------------------------------------------------------------------------------


def _whole(index: int, word: str, **changes: Any) -> Outcome:
    return outcome(index=index, word=word, segments=3, receipt_scope="message", **changes)


def test_one_receipt_speaks_for_every_accepted_segment_of_its_message() -> None:
    accepted = [_whole(index, "submitted") for index in (1, 2, 3)]
    for at in range(4):  # before, between and after the acceptances
        outs = _folded(*accepted[:at], _whole(1, "delivered"), *accepted[at:])
        assert statuses(outs) == [("delivered", True, None)]
        assert of_topic(outs, MT_STATUSES)[0]["segments_delivered"] == 3


def test_a_bad_one_does_too_and_what_comes_later_changes_nothing() -> None:
    outs = _folded(
        *(_whole(index, "submitted") for index in (1, 2, 3)),
        _whole(2, "undeliverable", reason="smsc_rejected", smsc_error="88"),
        _whole(3, "delivered"),
        _whole(1, "receipt_missing", reason="receipt_deadline"),
    )
    assert statuses(outs) == [("undeliverable", True, "smsc_rejected")]


def test_it_does_not_speak_for_a_segment_that_was_refused() -> None:
    refused = outcome(index=3, word="undeliverable", segments=3, reason="smsc_refused")
    outs = _folded(_whole(1, "submitted"), _whole(2, "submitted"), refused, _whole(2, "delivered"))
    assert statuses(outs) == [("partially_delivered", True, "smsc_refused")]


def test_without_any_receipt_the_message_ends_when_all_have_passed_their_deadline() -> None:
    missing = [_whole(index, "receipt_missing", reason="receipt_deadline") for index in (1, 2, 3)]
    accepted = [_whole(index, "submitted") for index in (1, 2, 3)]
    assert statuses(_folded(*accepted, *missing[:2])) == []
    assert statuses(_folded(*accepted, *missing)) == [("receipt_missing", True, "receipt_deadline")]
    assert statuses(_folded(*accepted, *missing[:2], _whole(3, "delivered"))) == [("delivered", True, None)]
