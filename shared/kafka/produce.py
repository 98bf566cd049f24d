"""Edge: the batch producer: idempotent, packed by us, or in transactions.

The cost of a hop is per request, not per record, and aiokafka's `publish_batch` ignores keys: records are packed into
one batch per partition here.
"""

import asyncio
import contextlib
import itertools
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError, ProducerFenced
from aiokafka.structs import OffsetAndMetadata, RecordMetadata

from schemas.commit_marks import Writer
from schemas.topics import LIFECYCLE_EVENTS
from shared.kafka import seam
from shared.kafka.away import Place
from shared.kafka.client import SESSION_TIMEOUT_MS, connection_options
from shared.kafka.dead_letter_limits import DeadLetterLimits
from shared.kafka.errors import FatalKafkaError, FencedError, KafkaUnavailable
from shared.kafka.fence import Registered, keep, register
from shared.kafka.partition_wait import LOOK_S, PartitionWait
from shared.kafka.records import Out, partition_of
from shared.process.clock import monotonic_s
from shared.process.metrics import TRANSACTION_SECONDS
from shared.process.settings import Settings
from shared.process.tracing import active

TRANSACTION_TIMEOUT_MS: Final = SESSION_TIMEOUT_MS
"""A zombie's transaction must be over when its successor begins."""

KEEP_NAME_S: Final = 12 * 3_600.0
"""Kafka forgets a name that was not used for seven days."""

BATCH_BYTES: Final = 262_144
REQUEST_BYTES: Final = 4 << 20
LOG_APPEND_TIME: Final = 1
"""Kafka's number for a time that the broker gave, and not the producer."""

STOP_WITHIN_S: Final = 10.0

_NO_HEADERS: Final[list[tuple[str, bytes]]] = []


class _Sent(NamedTuple):
    """A batch that is on its way, and what is in it."""

    place: Place
    records: Sequence[Out]
    ack: "asyncio.Future[Any]"


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
        waits: Callable[[str], None] | None = None,
    ) -> None:
        """`may_write` is asked right before the octets of records go to a socket; see `seam.guard_produce`.

        With `waits` it never gives up for a partition that cannot be written to: every `LOOK_S` `waits` is told which,
        in a sentence, and "" when it goes on. Events meanwhile go to other partitions of theirs.
        """
        self.appended_at_ms = 0
        """Kafka's time of the last append, of topics that it dates; 0 before the first."""
        self._settings = settings
        self._writer_id = writer_id
        self._wait = None if waits is None else PartitionWait(settings, waits)
        self._may_write = may_write
        self._registered: Registered | None = None
        self._kept_at_s = 0.0
        self._transactional = transactional_id is not None
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
        self._began_s = 0.0

    async def start(self) -> None:
        """Connect; raises `KafkaUnavailable`."""
        producer = AIOKafkaProducer(**self._options)
        try:
            if self._writer_id is not None:
                self._registered = await register(self._settings, self._writer_id)
                self._kept_at_s = monotonic_s()
                seam.set_producer_id(producer, self._registered.writer.producer_id, self._registered.epoch)
            if self._wait is not None:
                seam.never_expire(producer)
            await self._patiently(producer.start())
        except BaseException as error:
            await producer.stop()
            if isinstance(error, KafkaError):
                raise KafkaUnavailable(f"Kafka does not answer: {error}") from error
            raise
        if self._may_write is not None:
            seam.guard_produce(producer, self._may_write)
        self._producer = producer

    async def start_again(self) -> None:
        """Begin anew behind a `FencedError`: what was left open comes to nothing. Raises `KafkaUnavailable`."""
        await self.stop()
        self._producer = None
        await self.start()

    async def stop(self) -> None:
        """Flush and close; nothing happens when it was not started. A partition that is away is not waited for long."""
        if self._producer is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if self._wait is None else STOP_WITHIN_S):
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
                if self._wait is not None and out.topic == LIFECYCLE_EVENTS:
                    place = self._wait.elsewhere(place, count)
            by_place[out.topic, place].append(out)
        first: dict[tuple[str, int], int] = {}
        if by_place:
            await self._letters.cut(by_place)
            for place_of, _, ack in await self._acknowledged(by_place):
                first.setdefault(place_of, int(ack.offset))
            if (tracing := active()) is not None:
                tracing.wrote(out for records in by_place.values() for out in records)
        return first

    async def send_dated(self, outs: Sequence[Out]) -> "list[tuple[int, int, int]]":
        """Produce records that name their partition, as `send_all` does. Returns partition, offset and Kafka's time
        (milliseconds; -1 where the topic does not keep it) of each, in order.
        """
        by_place: dict[Place, list[Out]] = defaultdict(list)
        numbers: dict[Place, list[int]] = defaultdict(list)
        for number, out in enumerate(outs):
            place = (out.topic, out.partition or 0)
            by_place[place].append(out)
            numbers[place].append(number)
        found = [(0, 0, 0)] * len(outs)
        taken: dict[Place, int] = defaultdict(int)
        for place, count, ack in await self._acknowledged(by_place):
            time_ms = int(ack.timestamp) if ack.timestamp_type == LOG_APPEND_TIME else -1
            begin = taken[place]
            for offset, number in enumerate(numbers[place][begin : begin + count], int(ack.offset)):
                found[number] = (place[1], offset, time_ms)
            taken[place] = begin + count
        return found

    async def send_timed(self, out: Out) -> int | None:
        """Produce one record, as `send_all` does; returns when Kafka appended it, by its own clock.

        None where the topic's times are the producers'.
        """
        place = out.partition
        if place is None:
            place = partition_of(out.key or b"", await self.partition_count(out.topic))
        ((_, _, ack),) = await self._acknowledged({(out.topic, place): [out]})
        return int(ack.timestamp) if ack.timestamp_type == LOG_APPEND_TIME else None

    async def _acknowledged(
        self, by_place: Mapping[tuple[str, int], Sequence[Out]]
    ) -> list[tuple[Place, int, RecordMetadata]]:
        """Produce; the place of each batch, its count and what Kafka said of it, in the order of sending."""
        await self._keep_name(next(iter(by_place)))
        try:
            return await self._send_batches(by_place)
        except ProducerFenced as error:
            raise FencedError("another process took over this one's transactions (fenced)") from error
        except KafkaError as error:
            raise FatalKafkaError(f"a produce request ended unknown: {error!r}") from error

    async def _send_batches(
        self, by_place: Mapping[tuple[str, int], Sequence[Out]]
    ) -> list[tuple[Place, int, RecordMetadata]]:
        wait = self._wait
        sent = await self._enqueued(by_place)
        while pending := [one for one in sent if not one.ack.done()]:
            await asyncio.wait([one.ack for one in pending], timeout=None if wait is None else LOOK_S)
            stuck = [one for one in pending if not one.ack.done()]
            if stuck and wait is not None:
                sent = await self._look_why(wait, sent, stuck)
        if wait is not None:
            wait.over()
        appended = [one.ack.result() for one in sent]
        dated = (one.timestamp for one in appended if one.timestamp_type == LOG_APPEND_TIME)
        self.appended_at_ms = max(self.appended_at_ms, max(dated, default=0))
        return [(one.place, len(one.records), ack) for one, ack in zip(sent, appended, strict=True)]

    async def _enqueued(self, by_place: Mapping[Place, Sequence[Out]]) -> "list[_Sent]":
        producer = self._started
        sent: list[_Sent] = []
        for (topic, partition), records in by_place.items():
            batch, first = producer.create_batch(), 0
            for number, out in enumerate(records):
                headers = list(out.headers) if out.headers else _NO_HEADERS
                if batch.append(key=out.key, value=out.value, timestamp=None, headers=headers) is None:
                    ack = await self._send_batch(batch, topic, partition)
                    sent.append(_Sent((topic, partition), records[first:number], ack))
                    batch, first = producer.create_batch(), number
                    batch.append(key=out.key, value=out.value, timestamp=None, headers=headers)
            batch.close()
            rest = records[first:] if first else records
            sent.append(_Sent((topic, partition), rest, await self._send_batch(batch, topic, partition)))
        return sent

    async def _send_batch(self, batch: Any, topic: str, partition: int) -> "asyncio.Future[Any]":
        """Waits while a batch before it has not been taken by a socket."""
        while True:
            try:
                ack: asyncio.Future[Any] = await self._started.send_batch(batch, topic, partition=partition)
            except KafkaTimeoutError:  # it was not enqueued
                if self._wait is None:
                    raise
                await self._wait.look({(topic, partition)})
            else:
                return ack

    async def _look_why(self, wait: PartitionWait, sent: "list[_Sent]", stuck: "list[_Sent]") -> "list[_Sent]":
        """Tell what is waited for. Returns what to wait for from now on: events are sent to other partitions too."""
        away = {one.place for one in await wait.look({one.place for one in stuck})}
        moved = [one for one in stuck if one.place in away and one.place[0] == LIFECYCLE_EVENTS]
        if self._transactional or not moved:
            return sent  # the end of a transaction is written to every partition that it has
        count = await self.partition_count(LIFECYCLE_EVENTS)
        if count <= len({place for topic, place in away if topic == LIFECYCLE_EVENTS}):
            return sent
        for one in moved:
            wait.leave(one.place[1], one.ack)
        elsewhere: dict[Place, list[Out]] = defaultdict(list)
        for one in moved:
            elsewhere[LIFECYCLE_EVENTS, wait.elsewhere(one.place[1], count)] += one.records
        return [one for one in sent if one not in moved] + await self._enqueued(elsewhere)

    async def _keep_name(self, place: tuple[str, int]) -> None:
        """Now and then, so that Kafka does not forget by what name this producer is fenced."""
        if self._registered is not None and monotonic_s() - self._kept_at_s > KEEP_NAME_S:
            await keep(self._settings, self._registered, TopicPartition(*place))
            self._kept_at_s = monotonic_s()

    async def begin(self) -> None:
        self._began_s = monotonic_s()
        await self._guarded(self._started.begin_transaction())

    async def add_offsets(self, offsets: Mapping[TopicPartition, tuple[int, str]], group: str) -> None:
        """Make consumed offsets (with their metadata text) part of the open transaction."""
        if offsets:
            marks = {tp: OffsetAndMetadata(offset, text) for tp, (offset, text) in offsets.items()}
            await self._guarded(self._started.send_offsets_to_transaction(marks, group))

    async def commit(self) -> None:
        await self._guarded(self._started.commit_transaction())
        TRANSACTION_SECONDS.labels(self._options["client_id"]).observe(monotonic_s() - self._began_s)

    async def abort(self) -> None:
        await self._guarded(self._started.abort_transaction())

    async def _patiently(self, step: Coroutine[Any, Any, Any]) -> None:
        await (step if self._wait is None else self._wait.through(step))

    async def _guarded(self, step: Coroutine[Any, Any, Any]) -> None:
        try:
            await self._patiently(step)
        except ProducerFenced as error:
            raise FencedError("a transaction is over, or another process took it over (fenced)") from error
        except KafkaError as error:
            raise FatalKafkaError(f"a transaction failed: {error!r}") from error
