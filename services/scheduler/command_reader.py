"""Edge: `mt.commands`, read whole by every scheduler: a command may be about what waits in any partition.

There is no group. How far a partition of the scheduler has come with the commands is part of its state, written in the
same transactions as what follows from them; so each command is carried out once, whoever reads it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from schemas.topics import MT_COMMANDS
from shared.kafka.client import EARLIEST, make_consumer, partitions_of
from shared.kafka.errors import FatalKafkaError
from shared.process.settings import Settings

log = logging.getLogger(__name__)

AHEAD_MAX: Final = 5_000
"""Commands that are read and not carried out yet."""
POLL_MS: Final = 1_000


class CommandReader:
    """Reads all partitions of `mt.commands`; `failed` is told where Kafka does not let it go on."""

    def __init__(self, settings: Settings, failed: Callable[[Exception], None]) -> None:
        self._settings: Final = settings
        self._failed: Final = failed
        self._found: Final[deque[ConsumerRecord]] = deque()
        self._room: Final = asyncio.Event()
        self._read_to: dict[TopicPartition, int] = {}
        self._asking: AIOKafkaConsumer | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, positions: Mapping[str, int]) -> None:
        """Read on from `positions`, by `mt.commands/PARTITION`; from the beginning of what is not named there."""
        consumer = make_consumer(self._settings, auto_offset_reset=EARLIEST)
        self._consumer, self._asking = consumer, make_consumer(self._settings)
        await consumer.start()
        await self._asking.start()
        partitions = await partitions_of(consumer, MT_COMMANDS)
        consumer.assign(partitions)
        for tp, begin in (await consumer.beginning_offsets(partitions)).items():
            wanted = positions.get(f"{MT_COMMANDS}/{tp.partition}", begin)
            if wanted < begin:
                log.error(
                    "%s, partition %d: offsets %d to %d were deleted unread", MT_COMMANDS, tp.partition, wanted, begin
                )
            consumer.seek(tp, max(wanted, begin))
            self._read_to[tp] = max(wanted, begin)
        self._room.set()
        self._task = asyncio.create_task(self._follow(consumer), name="commands")

    async def stop(self) -> None:
        """Nothing is read any more, and what was is forgotten."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for consumer in (self._consumer, self._asking):
            if consumer is not None:
                await consumer.stop()
        self._consumer = self._asking = None
        self._found.clear()
        self._read_to.clear()

    def __bool__(self) -> bool:
        """Whether there are commands to carry out."""
        return bool(self._found)

    def take(self, most: int) -> list[ConsumerRecord]:
        """Up to `most` commands, in the order of their partitions."""
        found = [self._found.popleft() for _ in range(min(most, len(self._found)))]
        self._room.set()
        return found

    async def ends(self) -> dict[TopicPartition, int]:
        """Behind the last command that Kafka has acknowledged by now; nothing where it does not answer."""
        if self._asking is None:
            return {}
        try:
            found: dict[TopicPartition, int] = await self._asking.end_offsets(list(self._read_to))
        except KafkaError as error:
            log.warning("%s: no end offsets: %s", MT_COMMANDS, error)
            return {}
        return found

    def has_read(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether everything before `ends` was given out by `take`."""
        return not self._found and all(self._read_to.get(tp, 0) >= end for tp, end in ends.items())

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        try:
            while True:
                found = await consumer.getmany(timeout_ms=POLL_MS, max_records=500)
                for records in found.values():
                    self._found.extend(records)
                for tp in self._read_to:
                    self._read_to[tp] = await consumer.position(tp)
                if len(self._found) >= AHEAD_MAX:
                    self._room.clear()
                await self._room.wait()
        except Exception as error:
            self._failed(FatalKafkaError(f"{MT_COMMANDS} cannot be followed: {error!r}"))
