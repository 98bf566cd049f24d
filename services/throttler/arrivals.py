"""Edge: reads ahead, a little: what was fetched is taken over at once, so that the next fetch asks for it again.

aiokafka has one fetch per broker on its way and leaves out of it the partitions whose records nobody has read yet. A
lane that waits for credit, read only when there is some, would thus be missing in long polls again and again, and with
it the feedback that brings the credit (measured: half of the rate lost). So records are moved here, up to `AHEAD_MAX`
per partition; the loop takes as many as it can dispatch, and commits no further.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Container, Iterable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared.kafka import FatalKafkaError, poll, rebalancing
from shared.telemetry import RECORDS_IN

AHEAD_MAX: Final = 1_000

PREFETCH_WAIT_S: Final = 0.02
"""How long the next fetch may wait for what the last one brought to be taken over. Without it that fetch goes first,
leaves out those very partitions, and feedback waits for the end of a long poll (measured: a second, and two thirds of
the rate lost). What stays unread, more than AHEAD_MAX of a lane, holds up the others for no longer than this."""


class Arrivals:
    """Of a started consumer. `wake` is called when something has come.

    It uses three private names of aiokafka's fetcher, which has no public view of what was fetched; a test keeps them
    honest.
    """

    def __init__(self, consumer: AIOKafkaConsumer, wake: Callable[[], None]) -> None:
        self._consumer = consumer
        self._wake = wake
        self._fetcher: Any = consumer._fetcher
        self._fetcher._prefetch_backoff = PREFETCH_WAIT_S
        self._records: dict[TopicPartition, deque[ConsumerRecord]] = {}

    def open(self, partitions: Iterable[TopicPartition], keep: Container[TopicPartition] = ()) -> None:
        """Read these from now on, and no others. What was read of those not in `keep` is forgotten: seek them."""
        self._records = {tp: self._records.get(tp, deque()) if tp in keep else deque() for tp in partitions}

    def check(self) -> None:
        """Raise `FatalKafkaError` for what the group's coordinator has told; otherwise only polls tell it."""
        try:
            self._consumer._coordinator.check_errors()
        except KafkaError as error:
            raise FatalKafkaError(f"the consumer was stopped by Kafka: {error!r}") from error

    def waiting(self) -> list[TopicPartition]:
        """Partitions of which records can be taken."""
        return [tp for tp, records in self._records.items() if records]

    def ahead(self, tp: TopicPartition) -> int:
        """Records of a partition that were read and not taken."""
        return len(self._records.get(tp, ()))

    def take(self, tp: TopicPartition, most: int) -> list[ConsumerRecord]:
        """The next records of a partition, at most `most`."""
        records = self._records[tp]
        return [records.popleft() for _ in range(min(most, len(records)))]

    async def follow(self) -> None:
        """Until cancelled. Raises `FatalKafkaError`."""
        while True:
            fetched: asyncio.Future[None] = self._fetcher._create_fetch_waiter()
            await self.read()
            await asyncio.wait([fetched])

    async def read(self) -> None:
        """Move over what was fetched. It waits for nothing: during a rebalance nothing is moved."""
        for tp in [tp for tp in self._fetcher._records if tp in self._records]:
            records = self._records.get(tp)
            if records is not None and len(records) < AHEAD_MAX and not rebalancing(self._consumer):
                found = await poll(self._consumer, tp, timeout_ms=0, max_records=AHEAD_MAX - len(records))
                if found and self._records.get(tp) is records:
                    records.extend(found[tp])
                    RECORDS_IN.labels(tp.topic).inc(len(found[tp]))
                    self._wake()
