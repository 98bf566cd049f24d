"""Edge: the batch producer: idempotent, packed by us, or in transactions.

The cost of a hop is per request, not per record, and aiokafka's `publish_batch` ignores keys: records are packed into
one batch per partition here.
"""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.structs import OffsetAndMetadata, RecordMetadata

from shared.kafka.client import SESSION_TIMEOUT_MS, connection_options
from shared.kafka.errors import FatalKafkaError, KafkaUnavailable
from shared.kafka.records import Out, partition_of
from shared.process.settings import Settings

TRANSACTION_TIMEOUT_MS: Final = SESSION_TIMEOUT_MS
"""A zombie's transaction must be over when its successor begins."""

BATCH_BYTES: Final = 262_144
REQUEST_BYTES: Final = 4 << 20
LOG_APPEND_TIME: Final = 1
"""Kafka's number for a time that the broker gave, and not the producer."""

_NO_HEADERS: Final[list[tuple[str, bytes]]] = []


class BatchProducer:
    """An idempotent producer (acks=all, zstd) that packs records into one batch per partition by itself.

    With `transactional_id` every record belongs to a transaction: `begin`, `send_all`, `add_offsets`, `commit`.
    Not for concurrent use of transactions.
    """

    def __init__(self, settings: Settings, *, client_id: str, transactional_id: str | None = None) -> None:
        options = connection_options(settings) | {
            "client_id": client_id,
            "acks": "all",
            "enable_idempotence": True,
            "compression_type": "zstd",
            "linger_ms": 0,
            "max_batch_size": BATCH_BYTES,
            "max_request_size": REQUEST_BYTES,
        }
        if transactional_id:
            options |= {"transactional_id": transactional_id, "transaction_timeout_ms": TRANSACTION_TIMEOUT_MS}
        self._options = options
        self._producer: AIOKafkaProducer | None = None
        self._counts: dict[str, int] = {}
        self._turn = itertools.count()

    async def start(self) -> None:
        """Connect; raises `KafkaUnavailable`."""
        producer = AIOKafkaProducer(**self._options)
        try:
            await producer.start()
        except BaseException as error:
            await producer.stop()
            if isinstance(error, KafkaError):
                raise KafkaUnavailable(f"Kafka does not answer: {error}") from error
            raise
        self._producer = producer

    async def stop(self) -> None:
        """Flush and close; nothing happens when it was not started."""
        if self._producer is not None:
            await self._producer.stop()

    @property
    def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise FatalKafkaError("the producer was not started")
        return self._producer

    async def partition_count(self, topic: str) -> int:
        """How many partitions `topic` has, remembered; see `forget_counts`."""
        count = self._counts.get(topic)
        if count is None:
            count = len(await self._started.partitions_for(topic))
            self._counts[topic] = count
        return count

    def forget_counts(self) -> None:
        """Ask again: a configuration may have added partitions."""
        self._counts.clear()

    async def send_all(self, outs: Iterable[Out]) -> dict[tuple[str, int], int]:
        """Produce all of `outs`, in order within a partition; returns when every one is acknowledged.

        Returns the offset of the first record of each (topic, partition); where nobody else writes to the partition
        the others follow it without a gap. Raises `FatalKafkaError` when the end of any of them is unknown: the caller
        must not commit and must not go on.
        """
        by_place: dict[tuple[str, int], list[Out]] = defaultdict(list)
        counts = self._counts
        for out in outs:
            place = out.partition
            if place is None:
                count = counts.get(out.topic) or await self.partition_count(out.topic)
                place = partition_of(out.key, count) if out.key is not None else next(self._turn) % count
            by_place[out.topic, place].append(out)
        first: dict[tuple[str, int], int] = {}
        if by_place:
            for place_of, ack in await self._acknowledged(by_place):
                first.setdefault(place_of, int(ack.offset))
        return first

    async def send_timed(self, out: Out) -> int | None:
        """Produce one record, as `send_all` does; returns when Kafka appended it, by its own clock.

        None where the topic's times are the producers'.
        """
        place = out.partition
        if place is None:
            place = partition_of(out.key or b"", await self.partition_count(out.topic))
        ((_, ack),) = await self._acknowledged({(out.topic, place): [out]})
        return int(ack.timestamp) if ack.timestamp_type == LOG_APPEND_TIME else None

    async def _acknowledged(
        self, by_place: Mapping[tuple[str, int], Sequence[Out]]
    ) -> list[tuple[tuple[str, int], RecordMetadata]]:
        """Produce; what Kafka said of each batch, in the order of sending."""
        try:
            return await self._send_batches(by_place)
        except ProducerFenced as error:
            raise FatalKafkaError("another process took over this one's transactions (fenced)") from error
        except KafkaError as error:
            raise FatalKafkaError(f"a produce request ended unknown: {error!r}") from error

    async def _send_batches(
        self, by_place: Mapping[tuple[str, int], Sequence[Out]]
    ) -> list[tuple[tuple[str, int], RecordMetadata]]:
        producer = self._started
        places: list[tuple[str, int]] = []
        acks: list[asyncio.Future[Any]] = []
        for (topic, partition), records in by_place.items():
            batch = producer.create_batch()
            for out in records:
                headers = list(out.headers) if out.headers else _NO_HEADERS
                if batch.append(key=out.key, value=out.value, timestamp=None, headers=headers) is None:
                    places.append((topic, partition))
                    acks.append(await producer.send_batch(batch, topic, partition=partition))
                    batch = producer.create_batch()
                    batch.append(key=out.key, value=out.value, timestamp=None, headers=headers)
            batch.close()
            places.append((topic, partition))
            acks.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.wait(acks)
        return [(place, ack.result()) for place, ack in zip(places, acks, strict=True)]

    async def begin(self) -> None:
        await self._guarded(self._started.begin_transaction())

    async def add_offsets(self, offsets: Mapping[TopicPartition, tuple[int, str]], group: str) -> None:
        """Make consumed offsets (with their metadata text) part of the open transaction."""
        if offsets:
            marks = {tp: OffsetAndMetadata(offset, text) for tp, (offset, text) in offsets.items()}
            await self._guarded(self._started.send_offsets_to_transaction(marks, group))

    async def commit(self) -> None:
        await self._guarded(self._started.commit_transaction())

    async def abort(self) -> None:
        await self._guarded(self._started.abort_transaction())

    async def _guarded(self, step: Any) -> None:
        try:
            await step
        except KafkaError as error:
            raise FatalKafkaError(f"a transaction failed: {error!r}") from error
