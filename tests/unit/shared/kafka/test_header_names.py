"""Records with header names that are no UTF-8."""

from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder, _DefaultRecordBatchBuilderPy

WRONG = b"a\xff\xc3"
"""In the place of the name `a__`."""
NONE, ZSTD = 0, 4


class CraftedBuilder(_DefaultRecordBatchBuilderPy):  # type: ignore[misc]  # final for types, and it has no other seam
    """aiokafka's builder of batches, with `WRONG` wherever a name is `a__`."""

    _buffer: bytearray

    def build(self) -> Any:
        self._buffer = self._buffer.replace(b"a__", WRONG)
        return super().build()


def batch(first: int, *names: str, codec: int = NONE, producer: int = -1) -> bytes:
    builder = CraftedBuilder(2, codec, int(producer >= 0), producer, 0, 0, 1 << 20)
    for offset, name in enumerate(names):
        builder.append(offset, 0, b"k", b"%d" % (first + offset), [(name, b"1"), ("null", None)])
    octets = builder.build()
    octets[:8] = first.to_bytes(8)
    return bytes(octets)


def read(
    octets: bytes, start: int = 0, aborted: Sequence[tuple[int, int]] = (), after: int = 0
) -> list[tuple[int, str]]:
    """Offset and first header name of every record, as a consumer sees them."""
    records: Any = fetcher.PartitionRecords(
        TopicPartition("t", 0),
        fetcher.MemoryRecords(octets),
        list(aborted),
        start,
        None,
        None,
        check_crcs=True,
        isolation_level=fetcher.READ_COMMITTED,
    )
    found = [(r.offset, r.headers[0][0]) for r in records]
    assert all(r >= start for r, _ in found)
    assert records.next_fetch_offset == found[-1][0] + 1 + after
    return found


@pytest.mark.parametrize("codec", [NONE, ZSTD])
def test_every_record_is_read_once_and_in_order(codec: int) -> None:
    octets = batch(2, "x", "a__", "ключ", "a__", codec=codec) + batch(6, "z", codec=codec)
    wrong = r"a\xff\xc3"
    expected = [(0, "x"), (1, "y"), (2, "x"), (3, wrong), (4, "ключ"), (5, wrong), (6, "z")]
    assert read(batch(0, "x", "y") + octets) == expected
    assert read(octets, start=4) == expected[4:]


def test_aborted_transactions_stay_out_of_it() -> None:
    octets = batch(0, "x", producer=7) + batch(1, "y", producer=8) + batch(2, "a__") + batch(3, "z", producer=7)
    assert read(octets, aborted=[(7, 0)], after=1) == [(1, "y"), (2, r"a\xff\xc3")]


def test_a_name_as_it_is_read_can_be_written() -> None:
    """As the copy of a record in the dead letters has it."""
    builder = DefaultRecordBatchBuilder(2, NONE, 0, -1, -1, -1, 1 << 20)
    assert builder.append(0, 0, b"k", b"v", [(r"a\xff\xc3", None)]) is not None
    assert read(bytes(builder.build())) == [(0, r"a\xff\xc3")]
