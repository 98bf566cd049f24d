"""Edge: what a service has in hand, read from Kafka: records behind its commits, segments without their answer."""

from collections.abc import Mapping

from aiokafka import ConsumerRecord, TopicPartition

from schemas.commit_marks import BinderMark
from schemas.feedback import Feedback
from schemas.groups import GROUPS_OF
from schemas.topics import dispatch_topic, feedback_topic
from shared.kafka.client import EARLIEST, make_consumer
from shared.kafka.committed_offsets import committed_with_metadata
from shared.process.settings import Settings

BINDER = "binder"
LOOKED_AT_THROUGH: Mapping[str, str] = {"simulator": BINDER, "clickhouse": "recorder"}
"""These commit nothing: what they have in hand is what the service in front of them waits for."""


async def committed(settings: Settings, service: str) -> dict[TopicPartition, tuple[int, str]]:
    """Offset and metadata of every commit of the service's groups."""
    found: dict[TopicPartition, tuple[int, str]] = {}
    for group in GROUPS_OF[service]:
        found |= await committed_with_metadata(settings, group)
    return found


async def unfinished(settings: Settings, process: str) -> int:
    """How many records lie behind the commits of a service, markers of transactions not counted.

    For the binder: segments that were dispatched and have no answer in the feedback. A process that is held still
    (SIGSTOP) while it is asked about cannot have finished them meanwhile.
    """
    service = LOOKED_AT_THROUGH.get(process, process)
    marks = await committed(settings, service)
    if service == BINDER:
        return await _unanswered(settings, marks)
    read = await _read_from(settings, {tp: offset for tp, (offset, _) in marks.items()})
    return sum(len(records) for records in read.values())


async def _unanswered(settings: Settings, marks: Mapping[TopicPartition, tuple[int, str]]) -> int:
    journals: dict[TopicPartition, BinderMark] = {}
    for tp, (_, text) in marks.items():
        if mark := BinderMark.from_text(text):
            journals[tp] = mark
    feedback = {tp: _feedback_of(tp) for tp in journals}
    starts = {tp: mark.answered_below for tp, mark in journals.items()}
    starts |= {feedback[tp]: mark.feedback_from for tp, mark in journals.items()}
    read = await _read_from(settings, starts)
    total = 0
    for tp, back in feedback.items():
        records = [Feedback.from_json(record.value) for record in read.get(back, [])]
        answered = {answer.offset for one in records for answer in one.answers}
        total += sum(record.offset not in answered for record in read.get(tp, []))
    return total


def _feedback_of(tp: TopicPartition) -> TopicPartition:
    connector_id = tp.topic.removeprefix(dispatch_topic(""))
    return TopicPartition(feedback_topic(connector_id), tp.partition)


async def _read_from(
    settings: Settings, starts: Mapping[TopicPartition, int]
) -> dict[TopicPartition, list[ConsumerRecord]]:
    """The committed records from these offsets on to the ends as they are now."""
    consumer = make_consumer(settings, auto_offset_reset=EARLIEST, fetch_max_wait_ms=50)
    read: dict[TopicPartition, list[ConsumerRecord]] = {}
    await consumer.start()
    try:
        consumer.assign(list(starts))
        for tp, start in starts.items():
            consumer.seek(tp, start)
        ends = await consumer.end_offsets(list(starts))
        behind = [tp for tp, start in starts.items() if start < ends[tp]]
        while behind:
            for tp, records in (await consumer.getmany(*behind, timeout_ms=100)).items():
                read.setdefault(tp, []).extend(record for record in records if record.offset < ends[tp])
            behind = [tp for tp in behind if await consumer.position(tp) < ends[tp]]
    finally:
        await consumer.stop()
    return read
