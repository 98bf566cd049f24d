"""Edge: the two ways in which a stage writes what it decided and commits what it read."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalGenerationError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from schemas.commit_marks import StageMark, Writer
from schemas.topics import written_by
from shared.kafka import seam
from shared.kafka.client import consuming
from shared.kafka.committed_offsets import committed_with_metadata
from shared.kafka.errors import FatalKafkaError, FencedError
from shared.kafka.fence import fence
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.membership.beginnings import CLAIM_AGAIN_S, Beginnings
from shared.membership.inheritance import Inherited, Standing
from shared.membership.member import Member
from shared.process.clock import monotonic_s
from shared.process.service import Service

log = logging.getLogger(__name__)

COMMIT_EVERY_S: Final = 0.2

NextOffsets = Mapping[TopicPartition, int]
"""The next offset to read, by partition."""


class Output(Protocol):
    """Writes a cycle and commits what it read. Never used by two cycles at a time."""

    @property
    def commit_is_due(self) -> bool:
        """Whether something is written and not committed yet."""

    async def take_over(self, partitions: frozenset[TopicPartition]) -> Inherited:
        """Make sure that no predecessor writes for `partitions` any more; what it left. Raises `LostPosition`,
        `FatalKafkaError` and `KafkaUnavailable`."""

    async def write(self, outs: Sequence[Out], offsets: NextOffsets) -> None:
        """Write everything that follows from a cycle, and note how far it has read. Raises `FatalKafkaError` when
        nobody knows what was written, or when this process may have slept before it decided.
        """

    async def commit(self) -> None:
        """Commit what is written. Raises `FatalKafkaError`."""

    async def pass_markers(self, offsets: NextOffsets) -> None:
        """Nothing is in hand, and the next records to read are at `offsets`: commit that, where it is further than what
        is committed. Raises `FatalKafkaError`.

        Behind the last record lie markers of transactions and fences. Of a partition where nothing is written for as
        long as Kafka keeps records, all is deleted, up to behind the markers; an offset before them would then be out
        of range, as if records had been lost.
        """

    async def give_back(self) -> None:
        """Commit what is written: nothing is written for the held partitions after this. Raises `FatalKafkaError`."""


class AtLeastOnce:
    """All produced and acknowledged, then the offsets are committed: at most five times a second, and on drain.

    Ids are pure functions of the input, so what a crash repeats collapses. What follows from a record must not be
    decided twice all the same, so whoever takes a partition over

    1. reads what is committed, and by whom (`StageMark.writer`);
    2. fences that writer, unless it has given the partition back: nothing that it still sends is appended any more;
    3. commits its own name, which the group refuses to whoever does not own the partition: before that it writes
       nothing, so that its own successor finds whom to fence;
    4. reads what the predecessors wrote (its handler does), and only then decides.

    A process that dies between 2 and 3 leaves the old name, and the next one fences it again.
    """

    def __init__(self, service: Service, member: Member, producer: BatchProducer, mistakes: Callable[[], int]) -> None:
        self._service: Final = service
        self._member: Final = member
        self._producer: Final = producer
        self._mistakes: Final = mistakes
        self._beginnings: Final = Beginnings(service.settings, member.group, producer.send_all)
        self._standing: Final = Standing()
        self._written: set[TopicPartition] = set()
        self._unsure = False
        """A produce began, and it is not known that all of it is appended."""
        self._committed_at_s = 0.0

    @property
    def commit_is_due(self) -> bool:
        return bool(self._written)

    async def take_over(self, partitions: frozenset[TopicPartition]) -> Inherited:
        inherited = await self._inherited(partitions)
        for writer in inherited.strangers(self._producer.writer):
            await self._fence(writer)
        self._written.clear()
        self._standing.begin(inherited)  # from now on they can be given back, also where nobody hears of the claim
        await self._claim(inherited)
        await self._member.until_fresh()  # the producer writes nothing without an acknowledged heartbeat
        await self._beginnings.note(inherited.offsets)
        return inherited

    async def _inherited(self, partitions: frozenset[TopicPartition]) -> Inherited:
        committed = await committed_with_metadata(self._service.settings, self._member.group)
        places = await self._beginnings.places(partitions, committed)
        async with consuming(self._service.settings) as consumer:
            ends = await consumer.end_offsets(list(partitions))
        held = {tp: committed[tp] for tp in partitions if tp in committed}
        return Inherited(
            partitions,
            places,
            {tp: mark for tp, (_, text) in held.items() if (mark := StageMark.from_text(text)) is not None},
            ends,
        )

    async def _fence(self, writer: Writer) -> None:
        async with consuming(self._service.settings) as consumer:
            existing = await seam.all_partitions(consumer)
        places = {
            TopicPartition(topic, number)
            for topic in written_by(self._service.name, existing)
            for number in existing[topic]
        }
        known = await fence(self._service.settings, writer, places)
        self._service.progress(self._member.group)
        how = "can write no more" if known else "is forgotten by Kafka, it has done nothing for days"
        log.info("%s: %s did not give its partitions back; it %s", self._member.group, writer.transactional_id, how)

    async def _claim(self, inherited: Inherited) -> None:
        """Returns when the group says that the partitions are ours; until then a rebalance will cancel it."""
        consumer = await self._member.attached()
        own = self._producer.writer
        nothing = StageMark(0)
        marks = {
            tp: OffsetAndMetadata(offset, _mark(inherited.marks.get(tp, nothing), own))
            for tp, offset in inherited.offsets.items()
        }
        while marks:
            try:
                await consumer.commit(marks)
                break
            except (CommitFailedError, IllegalGenerationError) as error:
                log.warning("%s: partitions could not be claimed: %s", self._member.group, error)
                await asyncio.sleep(CLAIM_AGAIN_S)
            except KafkaError as error:
                raise FatalKafkaError(f"partitions could not be claimed: {error!r}") from error

    async def write(self, outs: Sequence[Out], offsets: NextOffsets) -> None:
        await self._member.until_sure()
        self._unsure = True
        await self._producer.send_all(outs)
        self._unsure = False
        self._standing.advance(offsets)
        self._written |= offsets.keys()
        if monotonic_s() - self._committed_at_s >= COMMIT_EVERY_S:
            await self.commit()

    async def commit(self) -> None:
        """A refused commit is no loss: the new owner repeats the records, ids collapse. Where this process may have
        slept it commits nothing: without members, a group takes any commit."""
        if self._written and self._member.fresh:
            offsets = self._standing.offsets()
            await self._commit({tp: offsets[tp] for tp in self._written if tp in offsets}, self._producer.writer)

    async def pass_markers(self, offsets: NextOffsets) -> None:
        known = self._standing.offsets()
        moved = {tp: offset for tp, offset in offsets.items() if offset > known.get(tp, offset)}
        self._standing.advance(moved)
        self._written |= moved.keys()

    async def give_back(self) -> None:
        """Without a name, so that the next owner need not fence anybody; with it where that would not be true."""
        if self._standing and self._member.fresh and not self._unsure:
            await self._commit(self._standing.offsets(), None)
        self._written.clear()
        self._standing.end()

    async def _commit(self, offsets: NextOffsets, writer: Writer | None) -> None:
        consumer = self._member.consumer
        if consumer is None or not offsets:
            return
        appended_at_ms, mistakes = self._producer.appended_at_ms, self._mistakes()
        marks = {
            tp: OffsetAndMetadata(
                offset, StageMark(self._standing.appended_at_ms(tp, appended_at_ms), mistakes, writer).to_text()
            )
            for tp, offset in offsets.items()
        }
        self._written.clear()
        self._committed_at_s = monotonic_s()
        try:
            await consumer.commit(marks)
        except (CommitFailedError, IllegalGenerationError) as error:
            log.warning("%s: a commit was refused after a rebalance: %s", self._member.group, error)
        except KafkaError as error:
            raise FatalKafkaError(f"offsets could not be committed: {error!r}") from error


def _mark(mark: StageMark, writer: Writer) -> str:
    return StageMark(mark.appended_at_ms, mark.mistakes, writer).to_text()


class InTransactions:
    """Everything that follows from a cycle, and its offsets, are one Kafka transaction: all of it happened, or none."""

    commit_is_due: Final = False

    def __init__(self, service: Service, member: Member, producer: BatchProducer) -> None:
        self._settings: Final = service.settings
        self._member: Final = member
        self._producer: Final = producer
        self._beginnings: Final = Beginnings(service.settings, member.group)
        self._committed: dict[TopicPartition, int] = {}

    async def take_over(self, partitions: frozenset[TopicPartition]) -> Inherited:
        """What a predecessor left open comes to nothing, by its fence or its timeout; its place is judged."""
        self._committed.clear()
        committed = await committed_with_metadata(self._settings, self._member.group)
        places = await self._beginnings.places(partitions, committed)
        await self._beginnings.claim_new(self._member, places, committed, lambda _: "")
        return Inherited(partitions, places)

    async def write(self, outs: Sequence[Out], offsets: NextOffsets) -> None:
        if not outs and not offsets:
            return
        await self._member.until_sure()
        known = self._member.group_generation
        while True:
            try:
                await self._attempt(outs, offsets)
                break
            except FencedError as error:
                if await self._was_committed_after(error, offsets, known):
                    break
        self._committed |= offsets

    async def _attempt(self, outs: Sequence[Out], offsets: NextOffsets) -> None:
        await self._producer.begin()
        await self._producer.send_all(outs)
        await self._producer.add_offsets({tp: (offset, "") for tp, offset in offsets.items()}, self._member.group)
        await self._member.until_sure()
        await self._producer.commit()

    async def _was_committed_after(self, error: FencedError, offsets: NextOffsets, known: int) -> bool:
        """Whether a transaction that is over was committed. Kafka ends one that waits for a partition for ten seconds.

        Raises `error` where that is not the reason: the group knows this process no more, in the generation `known`, or
        nothing tells.
        """
        if not offsets:
            raise error
        log.warning("%s: %s; it is tried again if the work is still ours", self._member.group, error)
        await self._producer.start_again()
        await self._member.ask()
        await self._member.until_sure()
        if self._member.group_generation != known:
            raise error
        committed = await committed_with_metadata(self._settings, self._member.group)
        return all(tp in committed and committed[tp][0] == offset for tp, offset in offsets.items())

    async def pass_markers(self, offsets: NextOffsets) -> None:
        await self.write((), {tp: offset for tp, offset in offsets.items() if offset > self._committed.get(tp, -1)})

    async def commit(self) -> None:
        """Nothing is left to commit after `write`."""

    async def give_back(self) -> None:
        """As `commit`."""
