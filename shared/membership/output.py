"""Edge: the two ways in which a stage writes what it decided and commits what it read."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalGenerationError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from shared.kafka.errors import FatalKafkaError
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.membership.member import Member
from shared.process.clock import monotonic_s

log = logging.getLogger(__name__)

COMMIT_EVERY_S: Final = 0.2

NextOffsets = Mapping[TopicPartition, int]
"""The next offset to read, by partition."""


class Output(Protocol):
    """Writes a cycle and commits what it read. Never used by two cycles at a time."""

    @property
    def commit_is_due(self) -> bool:
        """Whether something is written and not committed yet."""

    async def write(self, outs: Sequence[Out], offsets: NextOffsets) -> None:
        """Write everything that follows from a cycle, and note how far it has read. Raises `FatalKafkaError` when
        nobody knows what was written, or when this process may have slept before it decided.
        """

    async def commit(self) -> None:
        """Commit what is written. Raises `FatalKafkaError`."""


class AtLeastOnce:
    """All produced and acknowledged, then the offsets are committed: at most five times a second, and on drain.

    Ids are pure functions of the input, so what a crash repeats collapses.
    """

    def __init__(self, member: Member, producer: BatchProducer, metadata: Callable[[], str]) -> None:
        self._member: Final = member
        self._producer: Final = producer
        self._metadata: Final = metadata
        self._written: dict[TopicPartition, int] = {}
        self._committed_at_s = 0.0

    @property
    def commit_is_due(self) -> bool:
        return bool(self._written)

    async def write(self, outs: Sequence[Out], offsets: NextOffsets) -> None:
        self._member.check()
        await self._producer.send_all(outs)
        self._written |= offsets
        if monotonic_s() - self._committed_at_s >= COMMIT_EVERY_S:
            await self.commit()

    async def commit(self) -> None:
        """A refused commit is no loss: the new owner repeats the records, ids collapse."""
        consumer = self._member.consumer
        if not self._written or consumer is None:
            return
        text = self._metadata()
        marks = {tp: OffsetAndMetadata(offset, text) for tp, offset in self._written.items()}
        self._written = {}
        self._committed_at_s = monotonic_s()
        try:
            await consumer.commit(marks)
        except (CommitFailedError, IllegalGenerationError) as error:
            log.warning("%s: a commit was refused after a rebalance: %s", self._member.group, error)
        except KafkaError as error:
            raise FatalKafkaError(f"offsets could not be committed: {error!r}") from error


class InTransactions:
    """Everything that follows from a cycle, and its offsets, are one Kafka transaction: all of it happened, or none."""

    commit_is_due: Final = False

    def __init__(self, member: Member, producer: BatchProducer, metadata: Callable[[], str]) -> None:
        self._member: Final = member
        self._producer: Final = producer
        self._metadata: Final = metadata

    async def write(self, outs: Sequence[Out], offsets: NextOffsets) -> None:
        if not outs and not offsets:
            return
        await self._producer.begin()
        await self._producer.send_all(outs)
        text = self._metadata()
        await self._producer.add_offsets({tp: (offset, text) for tp, offset in offsets.items()}, self._member.group)
        self._member.check()
        await self._producer.commit()

    async def commit(self) -> None:
        """Nothing is left to commit after `write`."""
