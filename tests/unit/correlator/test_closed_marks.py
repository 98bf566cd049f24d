"""Closed marks in few octets."""

import pytest

from schemas.folds import ClosedFold, OpenFold
from schemas.joins import ClosedEntry
from services.correlator.fold import partition as fold
from services.correlator.join import entries as join_entries
from services.correlator.join.entries import closed_entry
from services.correlator.state.closed_marks import FOLD_MARKS, JOIN_MARKS
from tests.unit.correlator.making import T0, submitted

CLOSED = closed_entry(submitted(attempt=3, route_no=2).entry, "delivered")


@pytest.mark.parametrize("final", ["delivered", "receipt_missing", "submitted", "undeliverable", "expired"])
def test_a_mark_of_the_join_comes_back_as_it_was(final: str) -> None:
    entries: join_entries.Entries = [CLOSED._replace(final=final)]
    assert join_entries.pack(entries).startswith(JOIN_MARKS.mark)
    small = JOIN_MARKS.shrink(entries)
    assert small is not None
    assert len(small) < 58
    assert JOIN_MARKS.grow(small) == entries


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [submitted().entry],
        [CLOSED, CLOSED],
        [CLOSED, submitted().entry],
        [CLOSED._replace(message_id="no id")],
        [CLOSED._replace(message_id=CLOSED.message_id.upper())],
        [CLOSED._replace(message_id=CLOSED.message_id.replace("-", ""))],
        [CLOSED._replace(final="a word of tomorrow")],
        [CLOSED._replace(attempt=70_000)],
        [CLOSED._replace(segment_index=-1)],
        [CLOSED._replace(deadline_at_ms=2**70)],
    ],
)
def test_what_has_no_such_form_is_left_as_it_is(entries: join_entries.Entries) -> None:
    assert JOIN_MARKS.shrink(entries) is None


def test_a_mark_of_the_fold_comes_back_as_it_was() -> None:
    mark = ClosedFold("closed", T0, 1, "partially_delivered")
    assert fold.pack(mark).startswith(FOLD_MARKS.mark)
    small = FOLD_MARKS.shrink(mark)
    assert small is not None
    assert FOLD_MARKS.grow(small) == mark
    assert FOLD_MARKS.shrink(mark._replace(final="a word of tomorrow")) is None
    assert FOLD_MARKS.shrink(mark._replace(route_no=70_000)) is None


def test_the_marks_say_what_they_are_of() -> None:
    assert ClosedEntry._fields[0] == ClosedFold._fields[0] == OpenFold._fields[0] == "kind"
