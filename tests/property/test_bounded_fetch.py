"""What is within the limits is read as aiokafka itself reads it, however little is unpacked at a time."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from aiokafka.consumer import fetcher
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.kafka import bounded_fetch
from shared.kafka.bounded_fetch import Allowance, BoundedRecords
from shared.kafka.codecs import GZIP, LZ4, ZSTD
from tests.unit.shared.kafka.batches import (
    CODECS,
    NONE,
    PLACE,
    Written,
    batch,
    fetched,
    in_two_streams,
    packed_as,
    raw_snappy,
)

SMALL = st.binary(max_size=20)
VALUES = SMALL | st.builds(bytes, st.integers(0, 100_000)) | st.builds(lambda s: s * 5_000, st.binary(max_size=40))
HEADERS = st.lists(st.tuples(st.text(st.characters(codec="utf-8"), max_size=8), st.none() | SMALL), max_size=4)
RECORDS = st.lists(
    st.builds(Written, value=st.none() | VALUES, key=st.none() | SMALL, headers=HEADERS), min_size=1, max_size=12
)
BATCHES = st.lists(
    st.tuples(RECORDS, st.sampled_from(CODECS), st.sampled_from((-1, 7, 8)), st.sampled_from(("usual", "odd"))),
    min_size=1,
    max_size=4,
)


def _written(batches: Any) -> tuple[bytes, int]:
    octets, first = b"", 0
    for records, codec, producer, kind in batches:
        one = batch(first, *records, codec=codec if kind == "usual" else NONE, producer=producer)
        if kind == "odd":  # as other clients than aiokafka write it
            one = in_two_streams(one, codec) if codec in (GZIP, LZ4, ZSTD) else raw_snappy(one)
        octets += one
        first += len(records)
    return octets, first


def _theirs(octets: bytes, start: int, aborted: list[tuple[int, int]]) -> list[ConsumerRecord]:
    reader: Any = BoundedRecords.__base__
    records = MemoryRecords(octets)
    return list(reader(PLACE, records, aborted, start, None, None, True, fetcher.READ_COMMITTED))


@pytest.mark.parametrize("scratch", [4 << 20, 200])
@given(batches=BATCHES, data=st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_within_the_limits_is_read_as_ever(
    monkeypatch: pytest.MonkeyPatch, scratch: int, batches: Any, data: st.DataObject
) -> None:
    monkeypatch.setattr(bounded_fetch, "_scratch", SimpleNamespace(octets=memoryview(bytearray(scratch))))
    octets, end = _written(batches)
    start = data.draw(st.integers(0, end))
    aborted = data.draw(st.lists(st.tuples(st.sampled_from((7, 8)), st.integers(0, end)), max_size=2))
    expected = _theirs(octets, start, list(aborted))
    ours = fetched(octets, start, aborted)
    found: list[ConsumerRecord] = []
    more = True
    while more:
        most = data.draw(st.integers(1, 5) | st.none())
        records, more = ours.take(most, Allowance(data.draw(st.integers(1, 400_000))))
        assert most is None or len(records) <= most
        found += records
        assert not records or ours.next_fetch_offset >= records[-1].offset + 1
    assert found == expected
    assert ours.next_fetch_offset == end


@given(octets=st.binary(max_size=400), codec=st.sampled_from(CODECS[1:]), count=st.integers(1, 50))
@settings(max_examples=300, deadline=None)
def test_anything_at_all_ends_behind_its_batch(octets: bytes, codec: int, count: int) -> None:
    """Octets that are nothing never raise, never repeat, and never hide the batch behind them."""
    wrong = packed_as(batch(0, Written()), codec, octets, count)
    found = list(fetched(wrong + batch(count, Written(b"good"))))
    offsets = [record.offset for record in found]
    assert offsets == sorted(set(offsets))
    assert (found[-1].offset, found[-1].value) == (count, b"good")
    assert len(found) > 1
