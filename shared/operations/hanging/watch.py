"""Edge: ends what hangs, for as long as it runs: for whoever runs a Kafka of their own and may alter it."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.kafka import seam
from shared.kafka.client import consuming
from shared.kafka.coordinator_barrier import OFFSETS_TOPIC
from shared.operations.errors import OperationError
from shared.operations.hanging.find import end_hanging, find_hanging
from shared.operations.hanging.verdicts import Hanging
from shared.operations.topics import is_ours
from shared.process.settings import Settings

LOOK_S: Final = 15.0
"""More than our transactions may take: what is open twice at the same offset is looked at."""

Offsets = Mapping[TopicPartition, int]


async def keep_ended(settings: Settings, say: Callable[[str], None], look_s: float = LOOK_S) -> None:
    """Look every `look_s` seconds, and end what hangs. `say` gets a sentence about each time.

    A look costs two questions for the ends of all partitions; only where a partition's first open transaction is the
    same as last time, Kafka is asked for more. Returns never; Kafka may come and go.
    """
    before: Offsets = {}
    while True:
        try:
            async with (
                consuming(settings) as committed,
                consuming(settings, isolation_level="read_uncommitted") as written,
            ):
                while True:
                    await asyncio.sleep(look_s)
                    now = await _first_open(committed, written)
                    if any(before.get(tp) == offset for tp, offset in now.items()):
                        await _end(settings, say)
                    before = now
        except (KafkaError, OperationError, OSError):  # it does not answer: whoever runs it says so
            await asyncio.sleep(look_s)


async def _first_open(committed: AIOKafkaConsumer, written: AIOKafkaConsumer) -> Offsets:
    """Where the first open transaction of a partition may begin, by partition; only where there is one."""
    topics = {topic: numbers for topic, numbers in (await seam.all_partitions(written)).items() if is_ours(topic)}
    for consumer in (committed, written):
        await seam.know_topics(consumer, [*topics, OFFSETS_TOPIC])
    topics[OFFSETS_TOPIC] = sorted(written.partitions_for_topic(OFFSETS_TOPIC) or ())
    partitions = [TopicPartition(topic, number) for topic, numbers in topics.items() for number in numbers]
    stable = await committed.end_offsets(partitions)
    ends = await written.end_offsets(partitions)
    return {tp: offset for tp, offset in stable.items() if offset < ends[tp]}


async def _end(settings: Settings, say: Callable[[str], None]) -> None:
    ended = await end_hanging(settings, await find_hanging(settings))
    if ended:
        say(f"Kafka: had counted {_names(ended)} as over and not ended in {len(ended)} partitions; ended now")


def _names(ended: list[Hanging]) -> str:
    names = sorted({one.transactional_id for one in ended})
    return f"a transaction of {names[0]}" if len(names) == 1 else f"transactions of {', '.join(names)}"
