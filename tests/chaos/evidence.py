"""Edge: the sources that are compared, read past every proxy: requests, the SMSC's log, statuses, ClickHouse."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from aiokafka import ConsumerRecord, TopicPartition

from schemas.dead_letters import ORIGIN_TIMESTAMP_MS
from schemas.topics import MT_REQUESTS, MT_REQUESTS_OTP
from services.cli.demo.traffic import read_stored
from shared.kafka.replay import LogReader
from shared.messages.ids import message_id_of
from shared.operations.clickhouse_access import clickhouse
from shared.operations.topic_creation import partition_counts
from shared.process.settings import Settings
from tests.chaos.patience import patiently
from tests.chaos.published import Requests, Written

STORED_S: Final = 60.0
LOOK_S: Final = 0.5
_ATTEMPTS: Final = """
SELECT toString(message_id) FROM sms.event_log
WHERE (attempt > 1 OR event IN ('rerouted', 'not_sent')) AND accepted_at >= fromUnixTimestamp64Milli({since_ms:Int64})
GROUP BY message_id
"""


_MISSED_IN_TIME: Final = """
SELECT toString(message_id), segment_index FROM sms.event_log
WHERE event IN ('late_receipt', 'receipt_missing') AND accepted_at >= fromUnixTimestamp64Milli({since_ms:Int64})
GROUP BY message_id, segment_index, route_no, attempt
HAVING countIf(event = 'late_receipt') > 0
   AND maxIf(deadline_at, event = 'receipt_missing') > minIf(occurred_at, event = 'late_receipt') + INTERVAL 6 SECOND
"""
"""Received by the binder a second before the deadline, and longer than it waits for Kafka: 5 s."""


class RequestReader:
    """Reads the topics of requests as far as they go, each time from where it was."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._next: dict[TopicPartition, int] = {}

    async def read(self, into: Requests) -> None:
        await patiently(lambda: self._read(into))

    async def _read(self, into: Requests) -> None:
        counts = await partition_counts(self._settings)
        partitions = [
            TopicPartition(topic, n) for topic in (MT_REQUESTS, MT_REQUESTS_OTP) for n in range(counts[topic])
        ]

        def take(record: ConsumerRecord) -> None:
            into.add(_written(record))
            self._next[TopicPartition(record.topic, record.partition)] = record.offset + 1

        async with LogReader(self._settings, lambda: None) as reader:
            ends = await reader.ends(partitions)
            await reader.read({tp: (self._next.get(tp, 0), end) for tp, end in ends.items()}, take)


def _written(record: ConsumerRecord) -> Written:
    """A record that ingress moved to the partition of its key says where it was first."""
    origin = {name: value for name, value in record.headers if name.startswith("origin_")}
    partition, offset, at_ms = record.partition, record.offset, record.timestamp
    if ORIGIN_TIMESTAMP_MS in origin:
        partition = int(origin["origin_partition"])
        offset = int(origin["origin_offset"])
        at_ms = int(origin[ORIGIN_TIMESTAMP_MS])
    value: dict[str, Any] = json.loads(record.value)
    return Written(message_id_of(at_ms, record.topic, partition, offset), value)


async def stored_of(
    settings: Settings, ids: Iterable[str], since_ms: int, expected: int
) -> dict[str, tuple[str, bool]]:
    """What ClickHouse says of these messages, once it knows the end of so many of them, or after a minute."""
    wanted = set(ids)
    found: dict[str, tuple[str, bool]] = {}
    try:
        async with asyncio.timeout(STORED_S):
            while True:
                everything = await patiently(lambda: read_stored(settings, 0, since_ms))
                found = {message_id: state for message_id, state in everything.items() if message_id in wanted}
                if sum(final for _, final in found.values()) >= expected:
                    break
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        pass
    return found


async def tried_again(settings: Settings, since_ms: int) -> set[str]:
    """Messages with a segment that was dispatched more than once: the order of these promises nothing."""
    return {str(row[0]) for row in await _query(settings, _ATTEMPTS, since_ms)}


async def missed_in_time(settings: Settings, since_ms: int) -> list[str]:
    """Segments that were told to have no receipt by their deadline, and had one: as sentences."""
    rows = await _query(settings, _MISSED_IN_TIME, since_ms)
    return [f"{row[0]} segment {row[1]} is receipt_missing, and its receipt came in time" for row in rows]


async def _query(settings: Settings, statement: str, since_ms: int) -> Sequence[Sequence[Any]]:
    client = await patiently(lambda: asyncio.to_thread(clickhouse, settings))
    try:
        found = await asyncio.to_thread(client.query, statement, {"since_ms": since_ms})
        rows: Sequence[Sequence[Any]] = found.result_rows
        return rows
    finally:
        client.close()
