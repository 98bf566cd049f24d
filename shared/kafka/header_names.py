"""Edge: reads records whose header names are no UTF-8, which aiokafka's reader does not survive.

Kafka takes any octets as the name of a header, so a client can write a record that makes `getmany` raise
UnicodeDecodeError at the same offset for ever. Here such a record is read all the same: what is no UTF-8 in a name is
spelled as `\\xff`. Only a fetch that contains one is read this way, by aiokafka's slower reader in Python.

It takes the places of two names in aiokafka's fetcher and uses a few private ones; a test on a real broker keeps them
honest.
"""

from collections.abc import Iterator
from typing import Any, SupportsIndex

from aiokafka import ConsumerRecord
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy


class _KeptRecords(MemoryRecords):  # type: ignore[misc]  # a class that is chosen when it is imported
    """aiokafka's fast reader of a fetched partition, which keeps the octets that it reads."""

    def __init__(self, octets: bytes) -> None:
        super().__init__(octets)
        self.octets = octets


class _Octets(bytearray):
    """Octets of which every slice decodes to some text."""

    def __getitem__(self, place: SupportsIndex | slice) -> Any:
        found = super().__getitem__(place)
        return _Octets(found) if isinstance(found, bytearray) else found

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return bytes(self).decode(encoding, "backslashreplace")


class _TolerantBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # final for types; there is no other seam
    _buffer: bytearray

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _Octets(self._buffer)


class _TolerantRecords(_MemoryRecordsPy):  # type: ignore[misc]  # as above
    def next_batch(self) -> Any:
        octets = self._next_slice
        batch = super().next_batch()
        has_headers = octets is not None and octets[self.MAGIC_OFFSET] >= 2
        return _TolerantBatch(octets) if has_headers else batch


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka is untyped here
    """What was fetched of one partition. At the first name that is no UTF-8 the tolerant reader goes on behind what
    was given out."""

    def __init__(self, tp: Any, records: Any, aborted_transactions: Any, *more: Any, **named: Any) -> None:
        self._records_iterator: Iterator[ConsumerRecord] | None
        self._aborted_transactions: list[tuple[int, int]]
        super().__init__(tp, records, aborted_transactions, *more, **named)
        self._octets: bytes = records.octets
        self._aborted_given = list(self._aborted_transactions)

    def __next__(self) -> ConsumerRecord:
        try:
            return next(self._records_iterator or iter(()))
        except StopIteration:
            self._records_iterator = None
            raise
        except UnicodeDecodeError:
            self._records_iterator = self._tolerantly(self.next_fetch_offset)
            return next(self)

    def _tolerantly(self, start: int) -> Iterator[ConsumerRecord]:
        """The records from offset `start` on; all of the fetch is read again, for its transactions."""
        self._aborted_transactions = list(self._aborted_given)
        self._aborted_producers: set[int] = set()
        self._records = _TolerantRecords(self._octets)
        return (record for record in self._unpack_records() if record.offset >= start)


def tolerate_any_header_name() -> None:
    """Make every consumer of this process read such records."""
    fetcher.MemoryRecords = _KeptRecords
    fetcher.PartitionRecords = _PartitionRecords
