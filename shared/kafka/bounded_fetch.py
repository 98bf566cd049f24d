"""Edge: what was fetched is unpacked little by little: replacements of aiokafka's reader of batches and of its poll.

aiokafka unpacks a batch in one go, and a poll takes as many records as it may, whatever they weigh. A batch of a few
KB may stand for gigabytes, and a batch that cannot be read stops its partition for ever. Here a poll unpacks
`POLL_OCTETS` and goes on next time; a record of more than its topic's limit comes without its value, and so does what
cannot be read (`Withheld`). Header names that are no UTF-8 are read all the same.

Like `shared/kafka/seam.py`, which lists the private names of aiokafka that are used here and installs what stands here.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Any, Final, SupportsIndex

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

from schemas.record_limits import KEPT_OCTETS, record_maxima
from shared.kafka.codecs import Undecodable, unpack_pieces, unpack_whole
from shared.kafka.record_runs import LargeRecord, Passed, Run, read_runs
from shared.kafka.withheld import Withheld, headers_octets, kept_headers, too_large, unreadable
from shared.process.clock import monotonic_s

POLL_OCTETS: Final = 8 << 20
"""What one poll unpacks, of all its partitions together."""

WHOLE_OCTETS_MAX: Final = 4 << 20
"""A batch that unpacks to no more is unpacked in one go."""

RECORD_COST: Final = 256
"""Octets that a record takes in memory beside its own."""

SMALL_OCTETS_MAX: Final = 1 << 20
LARGE_AT_ONCE: Final = 2
"""So many partitions of a consumer may be in the middle of a batch that unpacks to more than `SMALL_OCTETS_MAX`: each
holds megabytes from poll to poll."""

_LENGTH, _MAGIC, _ATTRIBUTES, _COUNT, _RECORDS = 8, 16, 21, 57, 61
"""Where these begin in a batch of format 2."""
_CODEC: Final = 0x07
_LOG_APPEND_TIME: Final = 1


class _Scratch(threading.local):
    """Where batches are unpacked to, one for each thread: memory that is never touched costs none."""

    def __init__(self) -> None:
        self.octets = memoryview(bytearray(WHOLE_OCTETS_MAX))


_scratch: Final = _Scratch()


def _always() -> bool:
    return True


class Allowance:
    """The octets that a poll may still unpack, and whether it may begin with a large batch."""

    def __init__(self, octets: int = POLL_OCTETS, may_begin_large: Callable[[], bool] = _always) -> None:
        self.left = octets
        self.may_begin_large = may_begin_large


class KeptRecords(MemoryRecords):  # type: ignore[misc]  # a class that is chosen when it is imported
    """The batches that were fetched of a partition, as octets."""

    def __init__(self, octets: bytes) -> None:
        super().__init__(octets)
        self.octets = octets

    def batches(self) -> Iterator[memoryview]:
        """Those that are whole: the broker may cut the last one."""
        octets = memoryview(self.octets)
        begin = 0
        while len(octets) - begin > _MAGIC:
            end = begin + _LENGTH + 4 + int.from_bytes(octets[begin + _LENGTH : begin + _LENGTH + 4])
            if end > len(octets):
                return
            yield octets[begin:end]
            begin = end


class BoundedRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka is untyped here
    """The records that were fetched of a partition."""

    def __init__(self, tp: TopicPartition, records: KeptRecords, *more: Any, **named: Any) -> None:
        self.next_fetch_offset: int
        self._records_iterator: Iterator[ConsumerRecord | None] | None
        super().__init__(tp, records, *more, **named)
        self._place = tp
        self._kept = records
        self._octets_max, self._headers_max = record_maxima(tp.topic)
        self._allowance = Allowance()
        self.in_large_batch = False

    def __next__(self) -> ConsumerRecord:
        """The next record, whatever must be unpacked before it."""
        for record in self._records_iterator or ():
            self._allowance = Allowance()
            if record is not None:
                return record
        self._records_iterator = None
        raise StopIteration

    def take(self, most: int | None, allowance: Allowance) -> tuple[list[ConsumerRecord], bool]:
        """The next records, at most `most`, and whether there may be more: fewer where `allowance` does not suffice."""
        self._allowance = allowance
        found: list[ConsumerRecord] = []
        for record in self._records_iterator or ():
            if record is None:
                return found, True
            found.append(record)
            if len(found) == most:
                return found, True
        self._records_iterator = None
        return found, False

    def _unpack_records(self) -> Iterator[ConsumerRecord | None]:
        """What aiokafka's does, and None wherever the allowance is used up: go on with another one."""
        for octets in self._kept.batches():
            if octets[_MAGIC] != 2:
                yield from self._unread(octets, *_legacy_offsets(octets), "its format is older than Kafka 0.11")
                continue
            batch = DefaultRecordBatch(octets)
            if self._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {self._place}")
            if not self._is_void(batch):
                if self._allowance.left <= 0:
                    yield None
                yield from self._records_of(batch, octets)
            self.next_fetch_offset = batch.next_offset

    def _is_void(self, batch: Any) -> bool:
        """Whether the batch is a marker, or of a transaction that was aborted."""
        if self._isolation_level == fetcher.READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in self._aborted_producers:
                return True
        return bool(batch.is_control_batch)

    def _records_of(self, batch: Any, octets: memoryview) -> Iterator[ConsumerRecord | None]:
        try:
            codec = batch.compression_type
            if not codec:
                yield from self._read(octets)
                return
            packed = bytes(octets[_RECORDS:])
            whole = unpack_whole(codec, packed, _head(octets), _scratch.octets)
            if whole is not None and len(whole) <= SMALL_OCTETS_MAX:
                yield from self._read(whole)
            else:
                del whole
                yield from self._large_batch(batch, octets, codec, packed)
        except (Undecodable, CorruptRecordException) as error:
            first, last = max(batch.base_offset, self.next_fetch_offset), batch.next_offset - 1
            if first <= last:  # else all of them were read: what lies behind them is nothing to us
                yield from self._unread(octets, first, last, str(error))

    def _large_batch(
        self, batch: Any, octets: memoryview, codec: int, packed: bytes
    ) -> Iterator[ConsumerRecord | None]:
        while not self._allowance.may_begin_large():
            yield None
        self.in_large_batch = True
        try:
            whole = unpack_whole(codec, packed, _head(octets), _scratch.octets)
            yield from self._piecewise(batch, octets, codec, packed) if whole is None else self._read(whole)
        finally:
            self.in_large_batch = False

    def _piecewise(self, batch: Any, octets: memoryview, codec: int, packed: bytes) -> Iterator[ConsumerRecord | None]:
        """The records of a batch that is too large to be unpacked in one go, or damaged."""
        count = int.from_bytes(octets[_COUNT:_RECORDS], signed=True)
        for found in read_runs(unpack_pieces(codec, packed), count, self._octets_max):
            if isinstance(found, Run):
                yield from self._read(_head(octets, found.records) + found.octets)
            elif isinstance(found, Passed):
                self._allowance.left -= found.octets
            elif (offset := batch.base_offset + found.offset_delta) >= self.next_fetch_offset:
                self.next_fetch_offset = offset + 1
                yield self._large(batch, offset, found)
            if self._allowance.left <= 0:
                yield None

    def _read(self, octets: bytes | memoryview) -> Iterator[ConsumerRecord | None]:
        """The records of a batch that is not compressed (any more)."""
        is_large = len(octets) > SMALL_OCTETS_MAX
        if not is_large:
            self._allowance.left -= len(octets) + RECORD_COST * int.from_bytes(octets[_COUNT:_RECORDS])
        try:
            yield from self._each(DefaultRecordBatch(octets), is_large)
        except UnicodeDecodeError:  # at the first header name that is no UTF-8, behind what was given out
            yield from self._each(_TolerantBatch(octets), is_large)

    def _each(self, batch: Iterable[Any], is_large: bool) -> Iterator[ConsumerRecord | None]:
        topic, partition = self._place
        for record in batch:
            offset = record.offset
            if offset < self.next_fetch_offset:
                continue
            self.next_fetch_offset = offset + 1
            key, value, headers = record.key, record.value, record.headers
            if is_large or len(headers) > self._headers_max:
                octets = _length(key) + _length(value) + headers_octets(headers)
                self._allowance.left -= octets + RECORD_COST
                if octets > self._octets_max or len(headers) > self._headers_max:
                    key, value, headers = self._without_value(key, value, headers)
            yield ConsumerRecord(
                topic,
                partition,
                offset,
                record.timestamp,
                record.timestamp_type,
                key,
                value,
                None,
                -1 if key is None else len(key),
                -1 if value is None else len(value),
                tuple(headers),
            )
            if is_large and self._allowance.left <= 0:
                yield None

    def _without_value(
        self, key: bytes | None, value: bytes | None, headers: Any
    ) -> tuple[bytes | None, Withheld, Any]:
        withheld = too_large(
            (value or b"")[:KEPT_OCTETS],
            _length(value),
            sha256(value or b"").hexdigest(),
            key_length=_length(key),
            headers=headers_octets(headers),
            octets_max=self._octets_max,
            headers_max=self._headers_max,
        )
        return key and key[:KEPT_OCTETS], withheld, kept_headers(headers)

    def _large(self, batch: Any, offset: int, found: LargeRecord) -> ConsumerRecord:
        withheld = too_large(
            found.start,
            found.length,
            found.sha256,
            key_length=found.key_length,
            headers=found.headers_length,
            octets_max=self._octets_max,
            headers_max=self._headers_max,
        )
        timestamp = (
            batch.max_timestamp
            if batch.timestamp_type == _LOG_APPEND_TIME
            else batch.first_timestamp + found.timestamp_delta
        )
        return self._withheld(offset, timestamp, batch.timestamp_type, found.key, withheld, found.headers)

    def _unread(self, octets: memoryview, first: int, last: int, why: str) -> Iterator[ConsumerRecord]:
        """One record instead of those from `first` to `last`."""
        self.next_fetch_offset = last + 1
        timestamp = int.from_bytes(octets[35:43], signed=True) if octets[_MAGIC] == 2 else -1
        yield self._withheld(first, timestamp, 0, None, unreadable(octets, first, last, why), ())

    def _withheld(
        self, offset: int, timestamp: int, kind: int, key: bytes | None, value: Withheld, headers: Any
    ) -> ConsumerRecord:
        size = -1 if key is None else len(key)
        return ConsumerRecord(*self._place, offset, timestamp, kind, key, value, None, size, len(value), headers)


def _length(octets: bytes | None) -> int:
    return 0 if octets is None else len(octets)


def _head(octets: memoryview, count: int | None = None) -> bytes:
    """The head of a batch, saying that its records are not compressed, and how many they are."""
    head = bytearray(octets[:_RECORDS])
    head[_ATTRIBUTES + 1] &= ~_CODEC
    if count is not None:
        head[_COUNT:] = count.to_bytes(4)
    return bytes(head)


def _legacy_offsets(octets: memoryview) -> tuple[int, int]:
    """Of a message of format 0 or 1: it has its own offset, or that of the last one packed in it."""
    offset = int.from_bytes(octets[:_LENGTH], signed=True)
    return offset, offset


class _Octets(bytearray):
    """Octets of which every slice decodes to some text: what is no UTF-8 is spelled as `\\xff`."""

    def __getitem__(self, place: SupportsIndex | slice) -> Any:
        found = super().__getitem__(place)
        return _Octets(found) if isinstance(found, bytearray) else found

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return bytes(self).decode(encoding, "backslashreplace")


class _TolerantBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # final for types; there is no other seam
    """aiokafka's slower reader of a batch, which takes any octets for the name of a header."""

    _buffer: bytearray

    def __init__(self, octets: bytes | memoryview) -> None:
        super().__init__(octets)
        self._buffer = _Octets(self._buffer)


class BoundedFetcher(fetcher.Fetcher):  # type: ignore[misc]  # aiokafka is untyped here
    """Polls within `POLL_OCTETS`. One that left something unread wakes whoever waits for a fetch."""

    async def fetched_records(
        self, partitions: Iterable[TopicPartition], timeout: float = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        """As aiokafka's: what was fetched of `partitions` (none: of all), waiting up to `timeout` seconds for some."""
        until_s = monotonic_s() + timeout
        while True:
            if self._subscriptions.reassignment_in_progress:
                await self._subscriptions.wait_for_assignment()
            found = self._take(partitions, max_records)
            left_s = until_s - monotonic_s()
            if found or left_s <= 0:
                return found
            waiter = self._create_fetch_waiter()
            done, _ = await asyncio.wait([waiter], timeout=left_s)
            if not done or self._closed:
                waiter.cancel()
                return {}
            waiter.result()  # what the coordinator has to say

    def _take(
        self, partitions: Iterable[TopicPartition], max_records: int | None
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        allowance = Allowance(may_begin_large=self._may_begin_large)
        found: dict[TopicPartition, list[ConsumerRecord]] = {}
        most = max_records
        for tp in list(self._records):
            if partitions and tp not in partitions:
                if not self._subscriptions.is_assigned(tp):
                    del self._records[tp]
                continue
            result = self._records[tp]
            if not isinstance(result, fetcher.FetchResult):
                if not found:  # else it is for the next poll
                    self._forget(tp)
                    result.check_raise()
                break
            records = self._records_of(tp, result, most, allowance)
            if records:
                found[tp] = records
                if most is not None:
                    most -= len(records)
            if most == 0 or allowance.left <= 0:
                break
        return found

    def _records_of(
        self, tp: TopicPartition, result: Any, most: int | None, allowance: Allowance
    ) -> list[ConsumerRecord]:
        if not result.check_assignment(tp) or not result.has_more():
            self._forget(tp)
            return []
        records, more = result._partition_records.take(most, allowance)
        result._update_position()
        if not more:
            self._forget(tp)
        elif len(records) != most:
            self._records.move_to_end(tp)  # the others come first next time
            self._loop.call_soon(self._wake)
        return list(records)

    def _may_begin_large(self) -> bool:
        results = self._records.values()
        under_way = [r for r in results if isinstance(r, fetcher.FetchResult) and r._partition_records.in_large_batch]
        return len(under_way) < LARGE_AT_ONCE

    def _forget(self, tp: TopicPartition) -> None:
        """What was fetched of a partition is read: fetch more."""
        del self._records[tp]
        self._notify(self._wait_consume_future)

    def _wake(self) -> None:
        for waiter in self._fetch_waiters:
            self._notify(waiter)
