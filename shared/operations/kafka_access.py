"""Edge: how operations reach Kafka: one sentence where it does not answer, tables read once, the ends of topics."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from shared.kafka import seam
from shared.kafka.client import administering, partitions_of
from shared.kafka.errors import FatalKafkaError, KafkaUnavailable, MissingTopics
from shared.kafka.produce import BatchProducer
from shared.kafka.tables import OnRecord, TableReader
from shared.operations.errors import NotFound, Unreachable
from shared.process.settings import Settings

CREATE_TOPICS: Final = "`smsgw topics create` makes what is missing"
SILENT: Final = "nobody listens there, or says anything"
PROBE_TIMEOUT_MS: Final = 3_000
ANSWER_S: Final = 15.0
"""For what takes several requests, each of which is retried by the client."""


@asynccontextmanager
async def kafka_errors(settings: Settings) -> AsyncIterator[None]:
    """Turns whatever the client raises for a broker that does not answer, or has no topics of ours, into one sentence.

    Raises `Unreachable`, or `NotFound` where Kafka answers and `smsgw topics create` is what is missing.
    """
    address = settings.kafka_bootstrap_servers
    try:
        yield
    except MissingTopics as error:
        raise NotFound(f"Kafka at {address}: {str(error).partition(';')[0]}", CREATE_TOPICS) from error
    except UnknownTopicOrPartitionError as error:
        raise no_topics(settings) from error
    except (KafkaError, KafkaUnavailable, FatalKafkaError, TimeoutError) as error:
        detail = _detail(error)
        hint = "is `smsgw up` running?" if detail == SILENT or isinstance(error, TimeoutError) else ""
        raise Unreachable(f"Kafka at {address} does not answer: {detail}", hint) from error


def _detail(error: Exception) -> str:
    """What the client says about it, where that says anything to a person."""
    text = (str(error) or type(error).__name__).removeprefix("Kafka does not answer: ")
    return SILENT if "Unable to bootstrap" in text else text


def no_topics(settings: Settings) -> NotFound:
    """Kafka answers, and nobody has created anything there."""
    return NotFound(f"Kafka at {settings.kafka_bootstrap_servers} has no topics of ours", CREATE_TOPICS)


async def kafka_answers(settings: Settings) -> bool:
    """Whether any broker of the address answers, with the credentials that the services use too."""
    try:
        async with administering(settings, request_timeout_ms=PROBE_TIMEOUT_MS):
            return True
    except (KafkaError, OSError):
        return False


@asynccontextmanager
async def producing(settings: Settings) -> AsyncIterator[BatchProducer]:
    """A producer for one operation."""
    producer = BatchProducer(settings, client_id="smsgw-cli")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def read_tables(settings: Settings, tables: Mapping[str, OnRecord]) -> None:
    """Feed compacted topics to the callbacks, once, to their ends. Raises TimeoutError when that takes too long."""
    reader = TableReader(settings, tables)
    async with asyncio.timeout(ANSWER_S):
        await reader.start()
    await reader.stop()


async def ranges_of(consumer: AIOKafkaConsumer, topics: Iterable[str]) -> dict[TopicPartition, tuple[int, int]]:
    """Beginning and end of every partition of the topics. Raises `MissingTopics`."""
    partitions = await partitions_of(consumer, *topics)
    await seam.know_topics(consumer, {tp.topic for tp in partitions})
    ends = await consumer.end_offsets(partitions)
    starts = await consumer.beginning_offsets(partitions)
    return {tp: (starts[tp], ends[tp]) for tp in partitions}
