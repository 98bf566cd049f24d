"""Edge: the state of a step's partitions over restarts and rebalances, read back from its changelog."""

import asyncio
import gc
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing
from typing import Any, Final, Generic, Protocol, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from services.correlator.state.table import StateTable
from shared.kafka.client import administering, consuming
from shared.kafka.errors import FatalKafkaError
from shared.kafka.replay import read_range
from shared.process.clock import monotonic_s
from shared.process.settings import Settings

log = logging.getLogger(__name__)


class Restorable(Protocol):
    """One partition of a step."""

    @property
    def table(self) -> StateTable[Any]: ...

    def restored(self) -> Iterator[None]: ...


P = TypeVar("P", bound=Restorable)


class Changelog(Generic[P]):
    """Fills `partitions` (by number) with what the process holds; `make` gives an empty one.

    `progress` is called whenever a restore has come further.
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        partitions: dict[int, P],
        make: Callable[[int], P],
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._progress: Final = progress
        self._settings: Final = settings
        self._topic: Final = topic
        self._partitions: Final = partitions
        self._make: Final = make
        self._left_at: dict[int, int] = {}

    async def revoked(self) -> None:
        """Nothing is written after this. Remembers where each log ends, to see later whether anybody else wrote."""
        try:
            self._left_at = await high_watermarks(self._settings, self._topic, self._partitions)
        except KafkaError as error:
            log.warning("%s: everything will be restored anew: %s", self._topic, error)
            self._left_at = {}

    async def assigned(self, wanted: Iterable[int]) -> None:
        """Hold exactly `wanted` from now on: restored, or kept where the log has not grown since `revoked`.

        Reads up to the high watermark, open transactions included: an owner that died may have asked for a commit whose
        markers are still to be written. So this waits for them to end (at most the transaction timeout, 10 s). Raises
        `FatalKafkaError` for a record that this version did not write.
        """
        started_s = monotonic_s()
        ends = await high_watermarks(self._settings, self._topic, wanted)
        kept = {n: p for n, p in self._partitions.items() if n in ends and self._left_at.get(n) == ends[n]}
        self._left_at = {}
        self._partitions.clear()
        fresh = {number: self._make(number) for number in ends if number not in kept}
        await asyncio.gather(*(self._restore(number, ends[number], part) for number, part in fresh.items()))
        self._partitions.update(kept | fresh)
        gc.collect()
        gc.freeze()
        if fresh:
            keys, took_s = sum(len(part.table) for part in fresh.values()), monotonic_s() - started_s
            log.info("%s: %d partitions restored, %d keys, %.1f s", self._topic, len(fresh), keys, took_s)

    async def _restore(self, number: int, end: int, part: P) -> None:
        """What cannot be read counts unless its key was written again later, be it as a tombstone of a person."""
        unreadable: dict[bytes, str] = {}
        written = read_range(self._settings, self._topic, number, end=end, progress=self._progress)
        async with aclosing(written) as batches:
            async for batch in batches:
                for record in batch:
                    key = record.key or b""
                    try:
                        part.table.restore(key, record.value)
                        unreadable.pop(key, None)
                    except (ValueError, LookupError, TypeError) as error:
                        unreadable[key] = f"offset {record.offset}, key {key!r}: {error}"
        if unreadable:
            raise FatalKafkaError(
                f"{self._topic}, partition {number}, {next(iter(unreadable.values()))}; a record without a value under "
                "that key, in that partition, takes it away"
            )
        for _ in part.restored():
            self._progress()
            await asyncio.sleep(0)


async def broker_count(settings: Settings) -> int:
    """How many brokers Kafka has now, each with a clock of its own."""
    async with administering(settings) as admin:
        return len((await admin.describe_cluster())["brokers"])


async def high_watermarks(settings: Settings, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    """Where the log of each partition ends, transactions that are still open included."""
    wanted = [TopicPartition(topic, number) for number in partitions]
    if not wanted:
        return {}
    async with consuming(settings, isolation_level="read_uncommitted") as consumer:
        ends = await consumer.end_offsets(wanted)
    return {tp.partition: end for tp, end in ends.items()}
