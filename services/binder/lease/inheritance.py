"""Edge: a new owner takes the journal over that the old one left; `doubt_judgement.py` has the order and why."""

import logging
from contextlib import aclosing
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError

from schemas.commit_marks import BinderMark
from schemas.feedback import Feedback
from schemas.topics import feedback_topic
from services.binder.lease.doubt_judgement import DoubtJudgement
from services.binder.outbox import Outbox
from services.binder.submit.committing import Committer, NotOwner
from services.binder.submit.dispatch_record import DispatchedSegment, Unreadable, read_dispatch
from services.binder.submit.feedback_record import Origin, fence_record
from services.binder.submit.journal import Journal
from shared.kafka.produce import BatchProducer
from shared.kafka.replay import read_range
from shared.membership.beginnings import Beginnings
from shared.process.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Inheritance:
    """The new owner's journal, and the segments that it must answer as in doubt."""

    journal: Journal
    doubtful: list[DispatchedSegment | Unreadable]


@dataclass(frozen=True, slots=True)
class JournalTakeover:
    """Takes journals over, with what that needs of the process."""

    settings: Settings
    consumer: AIOKafkaConsumer
    producer: BatchProducer
    outbox: Outbox
    committer: Committer
    beginnings: Beginnings
    owner: str

    async def take_over(self, connector_id: str, tp: TopicPartition, found: BinderMark, committed: int) -> Inheritance:
        """Take the partition over from the owner who left `found` at `committed`; reading goes on at `committed`.

        Raises `NotOwner` when the partition is lost meanwhile, `FatalKafkaError` when Kafka fails.
        """
        await self.outbox.flushed()  # refusals of the old epoch must stand before the fence
        judgement = DoubtJudgement(found, committed)
        await self.committer.commit_for(tp, (committed, judgement.mark))
        await self.beginnings.note({tp: committed})
        topic = feedback_topic(connector_id)
        fence = fence_record(Origin(connector_id, tp.partition, judgement.mark.epoch, self.owner))
        fence_offset = (await self.producer.send_all([fence]))[topic, tp.partition]
        await self._read_feedback(judgement, topic, tp.partition, fence_offset)
        claimed = await self._read_claims(tp, found.answered_below, committed)
        doubtful = judgement.doubtful(claimed)
        if doubtful:
            log.warning("%s:%d: %d segments in doubt from the owner before", tp.topic, tp.partition, len(doubtful))
        inheritance = Inheritance(judgement.journal(doubtful, fence_offset), [claimed[offset] for offset in doubtful])
        self._seek(tp, committed)  # nothing is awaited from here on: no record can come before the journal is adopted
        return inheritance

    def _seek(self, tp: TopicPartition, offset: int) -> None:
        try:
            self.consumer.seek(tp, offset)
        except IllegalStateError as error:
            raise NotOwner(str(error)) from error

    async def _read_feedback(self, judgement: DoubtJudgement, topic: str, partition: int, fence_offset: int) -> None:
        if judgement.mark.feedback_from >= fence_offset:
            return
        written = read_range(self.settings, topic, partition, judgement.mark.feedback_from, fence_offset)
        async with aclosing(written) as batches:
            async for records in batches:
                for record in records:
                    _judge_record(judgement, record)

    async def _read_claims(self, tp: TopicPartition, low: int, high: int) -> dict[int, DispatchedSegment | Unreadable]:
        """The dispatch records from L (answered below) to before X (the committed offset), by offset."""
        found: dict[int, DispatchedSegment | Unreadable] = {}
        if low < high:
            async with aclosing(read_range(self.settings, tp.topic, tp.partition, low, high)) as batches:
                async for records in batches:
                    found |= {record.offset: read_dispatch(record) for record in records}
        return found


def _judge_record(judgement: DoubtJudgement, record: ConsumerRecord) -> None:
    try:
        judgement.read(Feedback.from_json(record.value), record.offset)
    except ValueError as error:
        log.error("%s:%d offset %d cannot be read: %s", record.topic, record.partition, record.offset, error)
