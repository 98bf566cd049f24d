"""Edge: the batch producer: idempotent, packed by us, or in transactions.

The cost of a hop is per request, not per record, and aiokafka's `publish_batch` ignores keys: records are packed into
one batch per partition here.
"""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.structs import OffsetAndMetadata, RecordMetadata

from schemas.commit_marks import Writer
from shared.kafka import seam
from shared.kafka.client import SESSION_TIMEOUT_MS, connection_options
from shared.kafka.dead_letter_limits import DeadLetterLimits
from shared.kafka.errors import FatalKafkaError, KafkaUnavailable
from shared.kafka.fence import Registered, keep, register
from shared.kafka.records import Out, partition_of
from shared.process.clock import monotonic_s
from shared.process.settings import Settings

TRANSACTION_TIMEOUT_MS: Final = SESSION_TIMEOUT_MS
"""A zombie's transaction must be over when its successor begins."""

KEEP_NAME_S: Final = 12 * 3_600.0
"""Kafka forgets a name that was not used for seven days."""

BATCH_BYTES: Final = 262_144
REQUEST_BYTES: Final = 4 << 20
LOG_APPEND_TIME: Final = 1
"""Kafka's number for a time that the broker gave, and not the producer."""

_NO_HEADERS: Final[list[tuple[str, bytes]]] = []


class BatchProducer:
    """An idempotent producer (acks=all, zstd) that packs records into one batch per partition by itself.

    With `transactional_id` every record belongs to a transaction: `begin`, `send_all`, `add_offsets`, `commit`.
    Not for concurrent use of transactions. With `writer_id` none does, but the producer can be fenced by that name
    (`shared.kafka.fence`).
    """

    def __init__(
        self,
        settings: Settings,
        *,
        client_id: str,
        transactional_id: str | None = None,
        writer_id: str | None = None,
        may_write: Callable[[], bool] | None = None,
    ) -> None:
        """`may_write` is asked right before the octets of records go to a socket; see `seam.guard_produce`."""
        self.appended_at_ms = 0
        """Kafka's time of the last append, of topics that it dates; 0 before the first."""
        self._settings = settings
        self._writer_id = writer_id
        self._may_write = may_write
        self._registered: Registered | None = None
        self._kept_at_s = 0.0
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
        self._letters = DeadLetterLimits(settings)
        self._turn = itertools.count()

    async def start(self) -> None:
        """Connect; raises `KafkaUnavailable`."""
        producer = AIOKafkaProducer(**self._options)
        try:
            if self._writer_id is not None:
                self._registered = await register(self._settings, self._writer_id)
                self._kept_at_s = monotonic_s()
                seam.set_producer_id(producer, self._registered.writer.producer_id, self._registered.epoch)
            await producer.start()
        except BaseException as error:
            await producer.stop()
            if isinstance(error, KafkaError):
                raise KafkaUnavailable(f"Kafka does not answer: {error}") from error
            raise
        if self._may_write is not None:
            seam.guard_produce(producer, self._may_write)
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

    @property
    def writer(self) -> Writer:
        """By what name a successor fences this producer."""
        if self._registered is None:
            raise FatalKafkaError("the producer was not started, or cannot be fenced")
        return self._registered.writer

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
        must not commit and must not go on. A dead letter that is too large for its topic is cut.
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
            await self._letters.cut(by_place)
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
        await self._keep_name(next(iter(by_place)))
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
        appended = [ack.result() for ack in acks]
        dated = (one.timestamp for one in appended if one.timestamp_type == LOG_APPEND_TIME)
        self.appended_at_ms = max(self.appended_at_ms, max(dated, default=0))
        return list(zip(places, appended, strict=True))

    async def _keep_name(self, place: tuple[str, int]) -> None:
        """Now and then, so that Kafka does not forget by what name this producer is fenced."""
        if self._registered is not None and monotonic_s() - self._kept_at_s > KEEP_NAME_S:
            await keep(self._settings, self._registered, TopicPartition(*place))
            self._kept_at_s = monotonic_s()

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
