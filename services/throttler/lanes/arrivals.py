"""Edge: reads ahead, a little: what was fetched is taken over at once, so that the next fetch asks for it again.

aiokafka has one fetch per broker on its way and leaves out of it the partitions whose records nobody has read yet. A
lane that waits for credit, read only when there is some, would thus be missing in long polls again and again, and with
it the feedback that brings the credit (measured: half of the rate lost). So all that comes is moved here, and a lane
with more than `AHEAD_MAX` is paused; the loop takes as many as it can dispatch, and commits no further.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Collection, Container
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from shared.kafka import seam
from shared.kafka.client import poll
from shared.kafka.errors import FatalKafkaError
from shared.process.metrics import RECORDS_IN

AHEAD_MAX: Final = 1_000
"""With as many of a partition it is not fetched any more; what one fetch brings is held beside them."""


class Arrivals:
    """What has come to a consumer that waits for its reader (`wait_for_the_reader`). `wake` is called when something
    has come.
    """

    def __init__(self, consumer: AIOKafkaConsumer, wake: Callable[[], None]) -> None:
        self._consumer = consumer
        self._wake = wake
        self._records: dict[TopicPartition, deque[ConsumerRecord]] = {}
        self._paused: set[TopicPartition] = set()

    def open(self, partitions: Collection[TopicPartition], keep: Container[TopicPartition] = ()) -> None:
        """Read these assigned partitions from now on, and no others. What was read of those not in `keep` is forgotten:
        seek them before. Call `read` afterwards: it drops what was fetched of others, for which the next fetch waits.
        """
        self._records = {tp: self._records.get(tp, deque()) if tp in keep else deque() for tp in partitions}
        self._paused = set(self._consumer.paused())
        for tp in self._consumer.assignment():
            self._let(tp, tp in self._records and len(self._records[tp]) < AHEAD_MAX)

    def close(self) -> None:
        """Read nothing, and forget what was read: the partitions are being taken away."""
        self._records = {}
        self._paused = set()

    def check(self) -> None:
        """Raise `FatalKafkaError` for what the group's coordinator has told; otherwise only polls tell it."""
        try:
            seam.check_group_errors(self._consumer)
        except KafkaError as error:
            raise FatalKafkaError(f"the consumer was stopped by Kafka: {error!r}") from error

    def waiting(self) -> list[TopicPartition]:
        """Partitions of which records can be taken."""
        return [tp for tp, records in self._records.items() if records]

    def read_through(self) -> dict[TopicPartition, int]:
        """Where reading goes on, of the partitions of which all that was read is taken."""
        positions = {tp: seam.position_of(self._consumer, tp) for tp, records in self._records.items() if not records}
        return {tp: position for tp, position in positions.items() if position}

    def ahead(self, tp: TopicPartition) -> int:
        """Records of a partition that were read and not taken."""
        return len(self._records.get(tp, ()))

    def take(self, tp: TopicPartition, most: int) -> list[ConsumerRecord]:
        """The next records of a partition, at most `most`."""
        records = self._records[tp]
        taken = [records.popleft() for _ in range(min(most, len(records)))]
        if len(records) < AHEAD_MAX:
            self._let(tp, True)
        return taken

    def _let(self, tp: TopicPartition, wanted: bool) -> None:
        """Have a partition fetched, or not. One that was taken away meanwhile is left alone."""
        if wanted != (tp in self._paused):
            return
        with contextlib.suppress(IllegalStateError):
            if wanted:
                self._paused.discard(tp)
                self._consumer.resume(tp)
            else:
                self._consumer.pause(tp)
                self._paused.add(tp)

    async def follow(self) -> None:
        """Until cancelled. Raises `FatalKafkaError`."""
        while True:
            fetched = seam.next_fetched(self._consumer)
            await self.read()
            await asyncio.wait([fetched])

    async def read(self) -> None:
        """Move over what was fetched. It waits for nothing: during a rebalance nothing is moved.

        What a fetch still brought of a paused partition is dropped by aiokafka when it is asked for, and comes again.
        """
        for tp in seam.fetched_partitions(self._consumer):
            if (tp in self._records or tp in self._paused) and not seam.rebalancing(self._consumer):
                found = await poll(self._consumer, tp, timeout_ms=0)
                if found:
                    self._came(tp, found[tp])

    def _came(self, tp: TopicPartition, found: list[ConsumerRecord]) -> None:
        records = self._records[tp]
        records.extend(found)
        if len(records) >= AHEAD_MAX:
            self._let(tp, False)
        RECORDS_IN.labels(tp.topic).inc(len(found))
        self._wake()
