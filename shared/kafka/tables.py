"""Edge: compacted topics as tables: read to their end, then followed live, by every process and without a group."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared.kafka.client import EARLIEST, make_consumer, partitions_of
from shared.kafka.errors import FatalKafkaError, KafkaUnavailable
from shared.process.settings import Settings

log = logging.getLogger(__name__)

OnRecord = Callable[[ConsumerRecord], None]

_LONG_POLL_MS = 5_000
"""An idle table costs one fetch in this time; new records are answered at once all the same."""


def only_logged(error: Exception) -> None:
    """For a caller that reads tables once, or watches the reader itself: the error is logged and nothing else."""
    log.error("%s", error)


class TableReader:
    """Feeds the records of compacted topics to one callback each, in order within a partition.

    A callback must not raise for bad input of others; what it raises is logged and the record skipped, because a table
    that stops would leave the process with an old view for ever. Where Kafka stops it all the same, once started,
    `failed` is told so: whoever goes on with what it has read decides by an old view.
    """

    def __init__(
        self,
        settings: Settings,
        tables: Mapping[str, OnRecord],
        failed: Callable[[Exception], None] = only_logged,
        *,
        from_now_on: Collection[str] = (),
    ) -> None:
        """Of the topics `from_now_on` nothing is read that was there before the start."""
        self._failed = failed
        self._from_now_on = frozenset(from_now_on)
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._tables = dict(tables)
        self._partitions: list[TopicPartition] = []
        self._moved = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when every table has been read to its end. Raises `KafkaUnavailable`, or `MissingTopics`.

        Then nothing is left open.
        """
        long_poll_ms = min(_LONG_POLL_MS, self._settings.kafka_request_timeout_ms // 2)
        consumer = make_consumer(self._settings, auto_offset_reset=EARLIEST, fetch_max_wait_ms=long_poll_ms)
        self._consumer = consumer
        try:
            await self._begin(consumer)
        except BaseException:
            await self.stop()
            raise

    async def _begin(self, consumer: AIOKafkaConsumer) -> None:
        try:
            await consumer.start()
        except KafkaError as error:
            raise KafkaUnavailable(f"Kafka does not answer: {error}") from error
        self._partitions = await partitions_of(consumer, *self._tables)
        consumer.assign(self._partitions)
        if before := [tp for tp in self._partitions if tp.topic not in self._from_now_on]:
            await consumer.seek_to_beginning(*before)
        if now := [tp for tp in self._partitions if tp.topic in self._from_now_on]:
            await consumer.seek_to_end(*now)
        self._task = asyncio.create_task(self._follow(consumer), name="tables")
        await self.sync()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._consumer is not None:
            await self._consumer.stop()

    @property
    def alive(self) -> bool:
        """Whether new records are still fed; once false, what was read only grows older."""
        return self._task is not None and not self._task.done()

    async def sync(self) -> None:
        """Returns when everything that was in the tables at the time of the call has been read. Only once started."""
        consumer = self._consumer
        if consumer is None:
            raise KafkaUnavailable("the table reader was not started")
        ends = await self._ends()
        async with self._moved:
            while not await self._reached(consumer, ends):
                self._check_alive()
                await self._moved.wait()

    async def _ends(self) -> dict[TopicPartition, int]:
        """Asked over a connection of its own: on the reader's one the question would wait behind its long poll."""
        asking = make_consumer(self._settings)
        try:
            await asking.start()
            ends: dict[TopicPartition, int] = await asking.end_offsets(self._partitions)
        except KafkaError as error:
            raise KafkaUnavailable(f"Kafka does not answer: {error}") from error
        finally:
            await asking.stop()
        return ends

    async def _reached(self, consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> bool:
        for tp, end in ends.items():
            if end > 0 and await consumer.position(tp) < end:
                return False
        return True

    def _check_alive(self) -> None:
        if self._task is not None and self._task.done():
            raise KafkaUnavailable("the table reader has stopped")

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        try:
            while True:
                found = await consumer.getmany(timeout_ms=_LONG_POLL_MS)
                for tp, records in found.items():
                    for record in records:
                        self._feed(tp.topic, record)
                async with self._moved:
                    self._moved.notify_all()
        except Exception as error:
            self._failed(FatalKafkaError(f"the tables {', '.join(self._tables)} cannot be followed: {error!r}"))
            raise
        finally:
            async with self._moved:
                self._moved.notify_all()

    def _feed(self, topic: str, record: ConsumerRecord) -> None:
        try:
            self._tables[topic](record)
        except Exception:
            log.exception("%s offset %d of table %s was skipped", topic, record.offset, topic)
