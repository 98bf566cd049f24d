"""Edge: a new owner judges what the old one left of a partition; see `judgement.py` for the order and why."""

import logging
from contextlib import aclosing
from dataclasses import dataclass

from aiokafka import ConsumerRecord, TopicPartition

from schemas.commit_marks import BinderMark
from schemas.feedback import Feedback
from schemas.topics import feedback_topic
from services.binder.lease.doubt_judgement import Judgement
from services.binder.outbox import Outbox
from services.binder.submit.committing import Committer
from services.binder.submit.dispatch_record import Segment, Unreadable, read_dispatch
from services.binder.submit.feedback_record import Origin, fence_record
from services.binder.submit.journal import Journal
from shared.kafka.produce import BatchProducer
from shared.kafka.replay import read_range
from shared.process.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The new owner's journal, and the segments that it must answer as in doubt."""

    journal: Journal
    doubtful: list[Segment | Unreadable]


@dataclass(frozen=True, slots=True)
class Takeover:
    """What a takeover needs of the process."""

    settings: Settings
    producer: BatchProducer
    outbox: Outbox
    committer: Committer
    owner: str

    async def judge(self, connector_id: str, tp: TopicPartition, found: BinderMark, committed: int) -> Verdict:
        """Take the partition over from the owner who left `found` at `committed`.

        Raises `NotOwner` when the partition is lost meanwhile, `FatalKafkaError` when Kafka fails.
        """
        await self.outbox.flushed()  # refusals of the old epoch must stand before the fence
        judgement = Judgement(found, committed)
        await self.committer.commit_for(tp, (committed, judgement.mark))
        topic = feedback_topic(connector_id)
        fence = fence_record(Origin(connector_id, tp.partition, judgement.mark.epoch, self.owner))
        fence_offset = (await self.producer.send_all([fence]))[topic, tp.partition]
        await self._read_feedback(judgement, topic, tp.partition, fence_offset)
        claimed = await self._read_claims(tp, found.answered_below, committed)
        doubtful = judgement.doubtful(claimed)
        if doubtful:
            log.warning("%s:%d: %d segments in doubt from the owner before", tp.topic, tp.partition, len(doubtful))
        return Verdict(judgement.journal(doubtful, fence_offset), [claimed[offset] for offset in doubtful])

    async def _read_feedback(self, judgement: Judgement, topic: str, partition: int, fence_offset: int) -> None:
        if judgement.mark.feedback_from >= fence_offset:
            return
        written = read_range(self.settings, topic, partition, judgement.mark.feedback_from, fence_offset)
        async with aclosing(written) as batches:
            async for records in batches:
                for record in records:
                    _judge_record(judgement, record)

    async def _read_claims(self, tp: TopicPartition, low: int, high: int) -> dict[int, Segment | Unreadable]:
        """The dispatch records of [L, X), by offset."""
        found: dict[int, Segment | Unreadable] = {}
        if low < high:
            async with aclosing(read_range(self.settings, tp.topic, tp.partition, low, high)) as batches:
                async for records in batches:
                    found |= {record.offset: read_dispatch(record) for record in records}
        return found


def _judge_record(judgement: Judgement, record: ConsumerRecord) -> None:
    try:
        judgement.read(Feedback.from_json(record.value), record.offset)
    except ValueError as error:
        log.error("%s:%d offset %d cannot be read: %s", record.topic, record.partition, record.offset, error)
