"""Unit tests of the probe."""

import zlib

import orjson
import pytest

from schemas.lifecycle_events import LifecycleEvent
from schemas.wire import NIL_UUID
from services.recorder.probe import PROBE_ID, partition_time_ms, probe_row
from services.recorder.rows import problem_of
from tests.unit.recorder.clickhouse_double import NOW, event

AN_HOUR_AGO = NOW - 3_600_000


def test_it_is_a_good_row_with_a_value_for_every_column() -> None:
    probe = orjson.loads(probe_row(NOW, 100))
    assert set(probe) == set(LifecycleEvent.model_fields) - {"schema_version"}
    assert problem_of(probe_row(NOW), NOW) is None
    assert not LifecycleEvent.model_fields["event"].annotation.__args__.count("probe")  # type: ignore[union-attr]
    assert (probe["event_id"], probe["message_id"], probe["segment_index"]) == (PROBE_ID, PROBE_ID, 0)


def test_it_weighs_more_than_rows_of_that_size_also_packed() -> None:
    noise = bytes(range(256)) * 40
    assert len(probe_row(NOW, 10_000)) > 15_000
    assert len(zlib.compress(probe_row(NOW, len(noise)))) > len(noise)
    assert probe_row(NOW, 10_000) == probe_row(NOW, 10_000)


@pytest.mark.parametrize(
    ("changes", "at_ms"),
    [
        ({}, NOW),
        ({"accepted_at_ms": AN_HOUR_AGO}, AN_HOUR_AGO),
        ({"accepted_at_ms": 0, "occurred_at_ms": AN_HOUR_AGO}, AN_HOUR_AGO),
        ({"accepted_at_ms": None, "message_id": f"{AN_HOUR_AGO:012x}".join(["", "70008000000000000000"])}, AN_HOUR_AGO),
        ({"message_id": NIL_UUID, "occurred_at_ms": AN_HOUR_AGO}, AN_HOUR_AGO),
        ({"message_id": "?", "occurred_at_ms": AN_HOUR_AGO}, AN_HOUR_AGO),
        ({"accepted_at_ms": 5}, NOW),
        ({"accepted_at_ms": "5"}, NOW),
        ({"accepted_at_ms": [5]}, NOW),
    ],
)
def test_the_partition_of_an_event(changes: dict[str, object], at_ms: int) -> None:
    assert partition_time_ms(event(1, **changes), NOW) == at_ms


@pytest.mark.parametrize("value", [b"", b"[]", b"{", b"7", b"\xff"])
def test_what_is_no_event_has_the_time_of_its_record(value: bytes) -> None:
    assert partition_time_ms(value, NOW) == NOW
