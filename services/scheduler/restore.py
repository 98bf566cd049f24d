"""Edge: a partition's store brought to the end of its changelog, before anything is decided."""

import logging
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

from aiokafka import TopicPartition

from schemas.topics import WAITING
from schemas.waiting import POSITIONS_KEY, WaitingEntry
from services.scheduler.entries import row_of
from services.scheduler.store import SqliteStore
from shared.kafka.client import consuming
from shared.kafka.errors import FatalKafkaError
from shared.kafka.replay import read_range
from shared.process.clock import now_ms
from shared.process.settings import Settings

log = logging.getLogger(__name__)

STORE_AGE_MAX_MS: Final = 12 * 3_600_000
"""Kafka takes tombstones out of a compacted topic a day after they were written; a store that has not followed for so
long might keep what was given back long ago."""


async def changelog_end(settings: Settings, number: int) -> int:
    """Behind the last record of a partition, committed or not."""
    tp = TopicPartition(WAITING, number)
    async with consuming(settings, isolation_level="read_uncommitted") as consumer:
        end: int = (await consumer.end_offsets([tp]))[tp]
    return end


async def restore(settings: Settings, number: int, store: SqliteStore, progress: Callable[[], None]) -> int:
    """Read into `store` what it lacks; returns how many records that were.

    Reads up to the high watermark, open transactions included: an owner that died may have asked for a commit whose
    markers are still to be written, so this waits for them to end. Raises `FatalKafkaError` for a record that this
    version did not write.
    """
    end = await changelog_end(settings, number)
    start = store.position
    if start is not None and (start > end or now_ms() - store.noted_at_ms > STORE_AGE_MAX_MS):
        log.info("%s, partition %d: the store is too old; everything is read", WAITING, number)
        start = None
    if start is None:
        store.clear()
    read = 0
    async with aclosing(read_range(settings, WAITING, number, start, end, progress=progress)) as batches:
        async for batch in batches:
            for record in batch:
                apply(store, number, record.offset, record.key or b"", record.value)
            store.note(batch[-1].offset + 1, batch[-1].timestamp)
            store.commit()
            read += len(batch)
    store.note(end, now_ms())
    store.commit()
    return read


def apply(store: SqliteStore, number: int, offset: int, key: bytes, value: bytes | None) -> None:
    """One record of the changelog. Raises `FatalKafkaError` for what cannot be read."""
    if value is None:
        store.remove(key)
        return
    try:
        entry = WaitingEntry.from_json(value)
        if key == POSITIONS_KEY:
            store.positions = dict(entry.positions or {})
        else:
            store.put(key, row_of(entry, value))
    except ValueError as error:
        raise FatalKafkaError(
            f"{WAITING}, partition {number}, offset {offset}, key {key!r}: {error}; a record without a value under "
            "that key, in that partition, takes it away"
        ) from error
