"""Entries read from submit results, and packed."""

from dataclasses import replace

import pytest

from schemas.joins import ClosedEntry, EarlyEntry, FormatEntry, JoinEntries, OpenEntry, SeenReceipt
from services.correlator.join.entries import Entries, closed_entry, may_be_open, pack, read_result, unpack
from tests.unit.correlator.making import DEADLINE_MS, T0, Record, message_id, result_record, submit_result, submitted


def test_an_entry_has_what_the_result_said_under_the_same_names() -> None:
    result = submit_result(index=2, segments=3)
    entry, answered_at_ms = submitted(index=2, segments=3)
    assert answered_at_ms == result.answered_at_ms
    fields = dict(result) | {"kind": "open", "segment_index": 2, "traceparent": ""}
    assert entry._asdict() == {name: fields[name] for name in OpenEntry._fields}


def test_what_the_model_takes_in_another_spelling_is_taken_too() -> None:
    value = submit_result().to_json().replace(b'"index":1', b'"index":"1"')
    assert read_result(Record("smsc.submit_results", 0, 0, T0, b"acme|1", value)).entry == submitted().entry


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"final"', b'"perhaps"'),
        (b'"segments":1', b'"segments":1.5'),
        (b'"segments":1', b'"segments":true1'),
        (b'"shop"', b"7"),
        (b'{"campaign":"spring"}', b"[]"),
        (b"1700000000080", b"1" * 25),
    ],
)
def test_what_the_model_refuses_is_refused(old: bytes, new: bytes) -> None:
    value = submit_result().to_json()
    assert old in value
    with pytest.raises(ValueError):
        read_result(Record("smsc.submit_results", 0, 0, T0, b"acme|1", value.replace(old, new)))


@pytest.mark.parametrize("value", [None, b"x" * 1_000_000, "ключ".encode(), b"00-1-2-3"])
def test_a_trace_context_that_is_none_is_left_behind(value: bytes | None) -> None:
    record = result_record(submit_result())
    assert read_result(replace(record, headers=(("traceparent", value),))).entry.traceparent == ""


def test_packed_entries_are_those_of_the_changelogs_schema() -> None:
    entry = submitted().entry
    early = SeenReceipt(
        0, 5, T0, T0, "acme-1", "1", "", "1", "4477", "DELIVRD", "delivered", "", "", False, "DELIVRD", "{}"
    )
    entries: Entries = [
        entry,
        closed_entry(entry, "delivered"),
        EarlyEntry("early", T0, True, False, early),
        FormatEntry("format", "hex", {"hex": 20}),
    ]
    packed = pack(entries)
    assert unpack(packed) == entries
    assert JoinEntries.from_json(b'{"schema_version":3,"entries":' + packed + b"}").entries == entries


def test_a_closed_mark_keeps_what_a_late_receipt_needs() -> None:
    closed = closed_entry(submitted(attempt=2, route_no=1).entry, "expired")
    assert closed == ClosedEntry("closed", DEADLINE_MS, message_id(1), 1, 1, 2, T0, "expired", "447700900123", -1, -1)


def test_packed_bytes_show_whether_one_is_open() -> None:
    entry = submitted().entry
    assert may_be_open(pack([closed_entry(entry, "delivered"), entry]))
    assert not may_be_open(pack([closed_entry(entry, "delivered")]))
