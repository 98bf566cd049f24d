"""Edge: transactions that hang (`verdicts`): looked for in partitions of ours, and ended as Kafka's log says."""

from collections.abc import Collection, Iterable
from contextlib import aclosing
from typing import Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code

from schemas.groups import is_our_transaction
from shared.kafka import seam
from shared.kafka.client import administering
from shared.kafka.coordinator_barrier import OFFSETS_TOPIC
from shared.kafka.replay import read_range
from shared.operations.hanging.requests import DescribeProducers, WriteTxnMarkers
from shared.operations.hanging.transaction_log import TRANSACTION_LOG, LogEntry, entry_of
from shared.operations.hanging.verdicts import Hanging, OpenTransaction, hanging
from shared.operations.kafka_access import kafka_errors
from shared.operations.topics import is_ours
from shared.process.settings import Settings

_NO_LEADER: Final = -1


async def find_hanging(settings: Settings, among: Collection[TopicPartition] | None = None) -> list[Hanging]:
    """The transactions of ours that hang, in order of their partitions; `among` None: wherever there can be any.

    What is under way is none: whatever is found was open, at the same offset, before and after its log said that it is
    complete. Reads the whole transaction log where anything is open at all. Raises `Unreachable`.
    """
    async with kafka_errors(settings), administering(settings) as admin:
        leaders = await _leaders(admin)
        places = [tp for tp in leaders if among is None or tp in among]
        opened = await _opened(admin, {tp: leaders[tp] for tp in places})
        if not opened:
            return []
        log = await _read_log(settings, await _log_partitions(admin), {one.producer_id for one in opened})
        found = [one for one in hanging(opened, log) if one.open.tp.topic != OFFSETS_TOPIC or _is_ours(one, opened)]
        again = {(one.tp, one.producer_id, one.since)
                 for one in await _opened(admin, {one.open.tp: leaders[one.open.tp] for one in found})}  # fmt: skip
    return [one for one in found if (one.open.tp, one.open.producer_id, one.open.since) in again]


def _is_ours(one: Hanging, opened: Iterable[OpenTransaction]) -> bool:
    """Everybody's offsets lie in one topic: those of a transaction that is open in a topic of ours, too, are ours."""
    producer_id = one.open.producer_id
    return is_our_transaction(one.transactional_id) or any(
        other.producer_id == producer_id and other.tp.topic != OFFSETS_TOPIC for other in opened
    )


async def end_hanging(settings: Settings, found: Collection[Hanging]) -> list[Hanging]:
    """Write the markers that are missing; returns the transactions whose markers are written.

    Those whose outcome is unknown are left alone. Needs the right to alter the cluster. Raises `Unreachable`.
    """
    async with kafka_errors(settings), administering(settings) as admin:
        leaders = await _leaders(admin)
        by_leader: dict[int, list[Hanging]] = {}
        for one in found:
            if one.outcome != "unknown":
                by_leader.setdefault(leaders[one.open.tp], []).append(one)
        ended: list[Hanging] = []
        for leader, markers in by_leader.items():
            ended += await _write(admin, leader, markers)
    return ended


async def _write(admin: AIOKafkaAdminClient, leader: int, markers: list[Hanging]) -> list[Hanging]:
    answer = await seam.ask_broker(admin, leader, WriteTxnMarkers(markers))
    written: set[tuple[int, TopicPartition]] = set()
    for producer_id, topics, _ in answer.markers:
        for topic, partitions, _ in topics:
            for partition, code, _ in partitions:
                if code:
                    raise for_code(code)(f"the marker for {topic}, partition {partition} was refused")
                written.add((producer_id, TopicPartition(topic, partition)))
    return [one for one in markers if (one.open.producer_id, one.open.tp) in written]


async def _leaders(admin: AIOKafkaAdminClient) -> dict[TopicPartition, int]:
    """The partitions of our topics and of the committed offsets that have a leader now."""
    found: dict[TopicPartition, int] = {}
    for topic in await admin.describe_topics():
        if topic["topic"] != OFFSETS_TOPIC and not is_ours(topic["topic"]):
            continue
        for partition in topic["partitions"]:
            if partition["leader"] != _NO_LEADER:
                found[TopicPartition(topic["topic"], partition["partition"])] = partition["leader"]
    return dict(sorted(found.items()))


async def _log_partitions(admin: AIOKafkaAdminClient) -> int:
    (topic,) = await admin.describe_topics([TRANSACTION_LOG])
    return len(topic["partitions"])


async def _opened(admin: AIOKafkaAdminClient, leaders: dict[TopicPartition, int]) -> list[OpenTransaction]:
    found: list[OpenTransaction] = []
    for leader in sorted(set(leaders.values())):
        request = DescribeProducers(tp for tp, of in leaders.items() if of == leader)
        for topic, partitions, _ in (await seam.ask_broker(admin, leader, request)).topics:
            for partition, code, _, producers, _ in partitions:
                if code:
                    raise for_code(code)(f"nobody tells who writes to {topic}, partition {partition}")
                tp = TopicPartition(topic, partition)
                found += [
                    OpenTransaction(tp, producer_id, epoch, coordinator_epoch, since)
                    for producer_id, epoch, _, _, coordinator_epoch, since, _ in producers
                    if since >= 0
                ]
    return found


async def _read_log(settings: Settings, partitions: int, producer_ids: Collection[int]) -> list[LogEntry]:
    """All entries of these producers, partition after partition: those of one are in one partition."""
    found: list[LogEntry] = []
    for partition in range(partitions):
        async with aclosing(read_range(settings, TRANSACTION_LOG, partition)) as batches:
            async for batch in batches:
                entries = (entry_of(record.key, record.value) for record in batch)
                found += [entry for entry in entries if entry is not None and entry.producer_id in producer_ids]
    return found
