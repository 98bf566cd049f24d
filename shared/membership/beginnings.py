"""Edge: with which partitions a group has begun, so that one without a committed offset is known for new or for lost.

Kafka forgets offsets: a week after the last member of a group has left, with their topic, or with a lost
`__consumer_offsets`. Begun once more from the beginning, days of work would be done a second time. So the first owner
of a partition

1. commits where it begins: whoever does not own the partition is refused;
2. writes that the group has begun (`group.beginnings`, compacted, kept for ever);
3. and only then decides anything.

No offset and no record: nothing was ever decided, by whomever, so the partition is read from its beginning. A record
and no offset: there was one (`LostPosition`). An offset and no record: its owner died between 1 and 2, or was of an
earlier version; the next one writes the record.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalGenerationError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from schemas.group_beginnings import GroupBeginning, beginning_key
from schemas.topics import GROUP_BEGINNINGS
from shared.kafka import seam
from shared.kafka.client import consuming
from shared.kafka.committed_offsets import Committed
from shared.kafka.errors import FatalKafkaError
from shared.kafka.positions import lost_places, lost_position
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.kafka.replay import read_range
from shared.membership.member import Member
from shared.process.settings import Settings

log = logging.getLogger(__name__)

CLAIM_AGAIN_S: Final = 0.1

Write = Callable[[Iterable[Out]], Awaitable[Any]]
"""Writes records outside of any transaction; returns when all are acknowledged."""


async def begun_with(settings: Settings, group: str) -> set[TopicPartition]:
    """The partitions with which `group` has begun. Raises `KafkaError`."""
    found: set[TopicPartition] = set()
    async with aclosing(read_range(settings, GROUP_BEGINNINGS, 0)) as batches:
        async for batch in batches:
            for record in batch:
                name, _, place = (record.key or b"").decode(errors="replace").partition("|")
                topic, _, number = place.rpartition("|")
                if name == group and number.isdecimal():
                    tp = TopicPartition(topic, int(number))
                    found.discard(tp) if record.value is None else found.add(tp)
    return found


def beginning(group: str, tp: TopicPartition, offset: int) -> Out:
    """The record that `group` has begun with `tp`."""
    told = GroupBeginning(group=group, topic=tp.topic, partition=tp.partition, offset=offset)
    return Out(GROUP_BEGINNINGS, beginning_key(group, tp.topic, tp.partition), told.to_json())


class Beginnings:
    """What one process knows of the beginnings of its group. `write` None: by a producer of its own, made when it is
    needed, for a process whose own one writes in transactions."""

    def __init__(self, settings: Settings, group: str, write: Write | None = None) -> None:
        self._settings: Final = settings
        self._group: Final = group
        self._write: Final = write or self._write_apart
        self._begun: set[TopicPartition] = set()

    async def places(self, partitions: Iterable[TopicPartition], committed: Committed) -> dict[TopicPartition, int]:
        """Where to go on in each of `partitions`: where it is `committed`, or at the beginning of a new one.

        Raises `LostPosition` where the group has begun and its place is lost.
        """
        wanted = set(partitions)
        if wanted - committed.keys() or wanted - self._begun:
            self._begun = await begun_with(self._settings, self._group)
        async with consuming(self._settings) as consumer:
            await seam.know_topics(consumer, {tp.topic for tp in wanted})
            begins: dict[TopicPartition, int] = await consumer.beginning_offsets(list(wanted)) if wanted else {}
        if lost := lost_places(wanted, committed, self._begun, begins):
            raise lost_position(self._group, lost)
        for tp in wanted - committed.keys():
            if begins[tp]:
                log.warning("%s begins with %s, partition %d; up to %d records were deleted there before",
                            self._group, tp.topic, tp.partition, begins[tp])  # fmt: skip
        return {tp: committed[tp][0] if tp in committed else begins[tp] for tp in wanted}

    async def note(self, places: Mapping[TopicPartition, int]) -> None:
        """The offsets are committed: write that the group has begun with these partitions, where that is new."""
        new = {tp: offset for tp, offset in places.items() if tp not in self._begun}
        if new:
            await self._write([beginning(self._group, tp, offset) for tp, offset in sorted(new.items())])
            self._begun |= new.keys()

    async def claim_new(
        self, member: Member, places: Mapping[TopicPartition, int], committed: Committed, text: Callable[[str], str]
    ) -> bool:
        """Commit where new partitions begin (`text` of the topic is the metadata), and note all. False where the
        partitions are shared out again meanwhile: nothing may be decided then."""
        generation = member.generation
        consumer = await member.attached()
        new = {tp: OffsetAndMetadata(at, text(tp.topic)) for tp, at in places.items() if tp not in committed}
        while new:
            await member.until_fresh()  # a group without members takes any commit
            if member.generation != generation:
                return False
            try:
                await consumer.commit(new)
                break
            except (CommitFailedError, IllegalGenerationError, IllegalStateError) as error:
                log.warning("%s: new partitions could not be claimed: %s", self._group, error)
                await asyncio.sleep(CLAIM_AGAIN_S)
            except KafkaError as error:
                raise FatalKafkaError(f"new partitions could not be claimed: {error!r}") from error
        await self.note(places)
        return True

    async def _write_apart(self, outs: Iterable[Out]) -> None:
        producer = BatchProducer(self._settings, client_id=f"{self._group}-beginnings")
        await producer.start()
        try:
            await producer.send_all(outs)
        finally:
            await producer.stop()
