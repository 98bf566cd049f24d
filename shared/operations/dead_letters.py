"""Edge: dead letters: what could not be processed, why, and the record as it was."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from aiokafka import ConsumerRecord

from schemas.dead_letters import (
    DLQ_ERROR,
    DLQ_FIELD,
    DLQ_HEADERS,
    DLQ_OFFSET,
    DLQ_PARTITION,
    DLQ_REASON,
    DLQ_TIMESTAMP_MS,
    DLQ_TOPIC,
    DLQ_VALUE_LENGTH,
    ORIGIN_OFFSET,
    ORIGIN_PARTITION,
    ORIGIN_TIMESTAMP_MS,
    REPLAYED_FROM,
    TOO_LARGE,
    UNREADABLE_BATCH,
)
from schemas.kafka_prefix import KAFKA_PREFIX
from schemas.topics import DLQ_END, MT_REQUESTS, MT_REQUESTS_OTP, dlq_of
from shared.kafka.records import Out, object_of
from shared.kafka.replay import read_range
from shared.messages.ids import message_id_of
from shared.operations.errors import Invalid, NotFound
from shared.operations.kafka_access import kafka_errors, no_topics
from shared.operations.topic_creation import partition_counts
from shared.process.settings import Settings

_SENDING: Final = tuple(
    f"{KAFKA_PREFIX}{name}" for name in ("mt.submissions", "mt.reroutes", "mt.segments.", "mt.dispatch.")
)
"""Topics, or beginnings of their names, whose records lead to a submit."""

_SHOWN_VALUE: Final = 200
_TELLING: Final = {*DLQ_HEADERS, ORIGIN_TIMESTAMP_MS}
_ORIGIN: Final = (ORIGIN_PARTITION, ORIGIN_OFFSET, ORIGIN_TIMESTAMP_MS)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter, and the record that it was. The value is cut: it may be anything."""

    dlq: str
    offset: int
    at_ms: int
    topic: str
    partition: int
    topic_offset: int
    reason: str
    field: str
    error: str
    value: str


@dataclass(frozen=True, slots=True)
class DeadLetterTopic:
    """A dead-letter topic that has records."""

    dlq: str
    records: int
    newest_at_ms: int
    newest_reason: str
    newest_error: str


class OffsetsNotThere(NotFound):
    """None of what was asked for was replayed, because some of it is not there."""

    def __init__(self, offsets: list[int]) -> None:
        super().__init__(f"not there: {', '.join(map(str, offsets))}; nothing was replayed")
        self.offsets = offsets


async def dead_letter_topics(settings: Settings) -> list[DeadLetterTopic]:
    """Those that are not empty, by name. Raises `Unreachable`, `NotFound` (no topics)."""
    names = sorted(name for name in await partition_counts(settings) if _is_of_ours(name))
    if not names:
        raise no_topics(settings)
    found = []
    for name in names:
        count, last = 0, None
        async for record in _each(settings, name):
            count, last = count + 1, record
        if last is not None:
            newest = read_dead_letter(last)
            found.append(DeadLetterTopic(name, count, newest.at_ms, newest.reason, newest.error))
    return found


async def newest_dead_letters(settings: Settings, topic: str, limit: int) -> list[DeadLetter]:
    """The newest `limit` of a topic (or of its dead-letter topic), oldest of them first.

    Raises `Unreachable`, `Invalid` (no such topic), `NotFound` (no topics).
    """
    found: deque[DeadLetter] = deque(maxlen=limit)
    async for record in _each(settings, topic):
        found.append(read_dead_letter(record))
    return list(found)


async def dead_letters_of(settings: Settings, topic: str) -> list[ConsumerRecord]:
    """All dead letters of a topic, oldest first: as many as there are, in memory."""
    return [record async for record in _each(settings, topic)]


def _is_of_ours(name: str) -> bool:
    return name.startswith(KAFKA_PREFIX) and name.endswith(DLQ_END)


async def _each(settings: Settings, topic: str) -> AsyncIterator[ConsumerRecord]:
    """The dead letters of a topic, oldest first, of which a batch at a time is in memory."""
    whole = topic if topic.startswith(KAFKA_PREFIX) else f"{KAFKA_PREFIX}{topic}"
    name = whole if whole.endswith(DLQ_END) else dlq_of(whole)
    counts = await partition_counts(settings)
    if name not in counts:
        known = ", ".join(sorted(filter(_is_of_ours, counts)))
        if not known:
            raise no_topics(settings)
        raise Invalid(f"there is no dead-letter topic {name}", f"there are: {known}")
    async with kafka_errors(settings):
        for partition in range(counts[name]):
            async with aclosing(read_range(settings, name, partition)) as batches:
                async for batch in batches:
                    for record in batch:
                        yield record


def read_dead_letter(record: ConsumerRecord) -> DeadLetter:
    """Never raises: the headers may be another program's."""
    headers = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
    return DeadLetter(
        dlq=record.topic,
        offset=record.offset,
        at_ms=record.timestamp,
        topic=headers.get(DLQ_TOPIC, ""),
        partition=_whole(headers.get(DLQ_PARTITION)),
        topic_offset=_whole(headers.get(DLQ_OFFSET)),
        reason=headers.get(DLQ_REASON, ""),
        field=headers.get(DLQ_FIELD, ""),
        error=headers.get(DLQ_ERROR, ""),
        value=(record.value or b"")[:_SHOWN_VALUE].decode("utf-8", "replace"),
    )


def _whole(text: str | bytes | None) -> int:
    """A decimal number; -1 for anything else."""
    return int(text) if text and text.isdigit() and len(text) <= 18 else -1


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter and where it was before: topic and partition, empty and -1 where it does not say so."""

    record: ConsumerRecord
    topic: str
    partition: int
    topic_offset: int
    topic_timestamp_ms: int
    reason: str

    @property
    def is_cut(self) -> bool:
        """Whether only the begin of what it was is there: that was too large, or could not be read."""
        told = self.reason in {TOO_LARGE, UNREADABLE_BATCH}
        return told or any(name == DLQ_VALUE_LENGTH for name, _ in self.record.headers)

    @property
    def belongs(self) -> bool:
        """Whether dead letters of that topic lie where this one does; else somebody made it up."""
        return bool(dlq_of(self.topic) == self.record.topic)


def read_letter(record: ConsumerRecord) -> Letter:
    """Never raises."""
    headers = {name: value or b"" for name, value in record.headers if name in DLQ_HEADERS}
    return Letter(
        record=record,
        topic=headers.get(DLQ_TOPIC, b"").decode("utf-8", "replace"),
        partition=_whole(headers.get(DLQ_PARTITION)),
        topic_offset=_whole(headers.get(DLQ_OFFSET)),
        topic_timestamp_ms=_whole(headers.get(DLQ_TIMESTAMP_MS)),
        reason=headers.get(DLQ_REASON, b"").decode("utf-8", "replace"),
    )


def message_ids_of(letter: Letter) -> tuple[str, ...]:
    """The messages that a replay of the letter may send: none where it sends nothing (an event, a receipt), or where
    its value does not say.

    A request is named by its place: the one that it had, and the first one of a request that was moved or replayed.
    """
    if letter.topic in {MT_REQUESTS, MT_REQUESTS_OTP}:
        return _ids_of_request(letter)
    if not letter.topic.startswith(_SENDING):
        return ()
    value = object_of(letter.record.value)
    context = value.get("context")
    named = context[0] if isinstance(context, list) and context else value.get("message_id")
    try:
        return (str(UUID(named)),) if isinstance(named, str) else ()
    except ValueError:
        return ()


def _ids_of_request(letter: Letter) -> tuple[str, ...]:
    headers = {name: value for name, value in letter.record.headers if name in _ORIGIN}
    partition, offset, first_ms = (_whole(headers.get(name)) for name in _ORIGIN)
    own = (letter.topic_timestamp_ms, letter.partition, letter.topic_offset)
    places = [own]
    if first_ms >= 0:
        places.append((first_ms, letter.partition, letter.topic_offset))
        if min(partition, offset) >= 0:
            places.append((first_ms, partition, offset))
    known = [place for place in places if min(place) >= 0]
    return tuple(dict.fromkeys(message_id_of(at_ms, letter.topic, *place) for at_ms, *place in known))


def replayed(record: ConsumerRecord) -> Out:
    """The record as it was, for the very partition it was in, marked as replayed; raises `Invalid` without its place.

    Partitions of some topics are leases or decide what is joined, so the key alone does not tell where it belongs. A
    request also says when it was first accepted, because it gets a place, and so an identity, of its own.
    """
    headers = {name: value or b"" for name, value in record.headers if name in _TELLING}
    topic, partition = headers.get(DLQ_TOPIC, b"").decode("utf-8", "replace"), _whole(headers.get(DLQ_PARTITION))
    if not topic or partition < 0:
        raise Invalid(f"{record.topic} offset {record.offset} does not say where it came from")
    kept = [(n, v) for n, v in record.headers if n not in DLQ_HEADERS and n != REPLAYED_FROM]
    if topic in {MT_REQUESTS, MT_REQUESTS_OTP} and ORIGIN_TIMESTAMP_MS not in headers:
        kept.append((ORIGIN_TIMESTAMP_MS, headers.get(DLQ_TIMESTAMP_MS, b"")))
    mark = (REPLAYED_FROM, f"{record.topic}/{record.partition}/{record.offset}".encode())
    return Out(topic, record.key, record.value, (*kept, mark), partition)
