"""Edge: statuses and messages from handsets as they come, for streams of accounts.

One reader follows both topics while there is a stream; what a stream has missed before is read once, for it alone. A
stream that does not keep up is ended: its client takes it up again by the last id it has seen.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final, NamedTuple, Protocol

import orjson
from aiokafka import ConsumerRecord

from schemas.topics import MO_MESSAGES, MT_STATUSES
from services.http_api.access import rfc3339
from services.http_api.event_ids import StreamPlace, event_id
from shared.kafka.away import Place
from shared.kafka.client import consuming, partitions_of
from shared.kafka.replay import read_range
from shared.kafka.tables import TableReader
from shared.process.clock import now_ms
from shared.process.settings import Settings

TYPE_OF: Final = {MT_STATUSES: "message.status", MO_MESSAGES: "message.inbound"}
_TIME_OF: Final = {MT_STATUSES: "occurred_at_ms", MO_MESSAGES: "received_at_ms"}
BEHIND_MAX: Final = 5_000
"""Events that wait for a client."""


class FeedEvent(NamedTuple):
    """One event of an account. `data` is the body of the webhook, one line."""

    type: str
    data: bytes
    id: str


class Feeds(Protocol):
    """Where events come from."""

    def events(self, account_id: str, since: StreamPlace | None) -> AsyncGenerator[FeedEvent | None, None]:
        """What concerns an account from now on, or from `since` on; ends when the stream should be taken up again.

        The first is None, as soon as nothing can be missed any more. Raises what Kafka raises."""


class _Stream:
    """The account's queue; None ends it."""

    def __init__(self, account_id: str) -> None:
        self.account_id: Final = account_id
        self.sign: Final = orjson.dumps(account_id)
        self.queue: Final[asyncio.Queue[ConsumerRecord | None]] = asyncio.Queue()

    def offer(self, record: ConsumerRecord) -> None:
        if self.queue.qsize() < BEHIND_MAX:
            self.queue.put_nowait(record)
        elif self.queue.qsize() == BEHIND_MAX:
            self.queue.put_nowait(None)


class LiveFeed:
    """The reader, and the streams that it feeds."""

    def __init__(self, settings: Settings, failed: Callable[[Exception], None]) -> None:
        self._settings: Final = settings
        self._failed: Final = failed
        self._streams: Final[set[_Stream]] = set()
        self._reader: TableReader | None = None
        self._starting: Final = asyncio.Lock()

    async def events(self, account_id: str, since: StreamPlace | None) -> AsyncGenerator[FeedEvent | None, None]:
        """See `Feeds`."""
        async with self._stream(account_id) as stream:
            ends = await self._ends()
            yield None
            told = dict(ends)
            if since is not None:
                told |= {place: offset for place, offset in since.next_offsets.items() if place in ends}
                missed = self._missed(stream, told, ends)
                async with aclosing(missed):
                    async for event in missed:
                        yield event
            while (record := await stream.queue.get()) is not None:
                if record.offset >= told.get((record.topic, record.partition), 0):
                    yield _event(record, told)

    def stop(self) -> None:
        """End every stream."""
        for stream in self._streams:
            stream.queue.put_nowait(None)

    @asynccontextmanager
    async def _stream(self, account_id: str) -> AsyncIterator[_Stream]:
        stream = _Stream(account_id)
        async with self._starting:
            self._streams.add(stream)
            if self._reader is None:
                tables = dict.fromkeys(TYPE_OF, self._came)
                reader = TableReader(self._settings, tables, self._failed, from_now_on=tables)
                try:
                    await reader.start()
                except BaseException:
                    self._streams.discard(stream)
                    raise
                self._reader = reader
        try:
            yield stream
        finally:
            self._streams.discard(stream)
            async with self._starting:
                if not self._streams and self._reader is not None:
                    reader, self._reader = self._reader, None
                    await reader.stop()

    async def _ends(self) -> dict[Place, int]:
        async with consuming(self._settings) as consumer:
            partitions = await partitions_of(consumer, *TYPE_OF)
            found = await consumer.end_offsets(partitions)
        return {(tp.topic, tp.partition): offset for tp, offset in found.items()}

    async def _missed(
        self, stream: _Stream, told: dict[Place, int], ends: dict[Place, int]
    ) -> AsyncGenerator[FeedEvent, None]:
        for (topic, partition), end in ends.items():
            start = told[topic, partition]
            if start >= end:
                continue
            batches = read_range(self._settings, topic, partition, start, end)
            async with aclosing(batches):
                async for records in batches:
                    for record in records:
                        if _concerns(record, stream):
                            yield _event(record, told)
            told[topic, partition] = end

    def _came(self, record: ConsumerRecord) -> None:
        for stream in self._streams:
            if _concerns(record, stream):
                stream.offer(record)


def _concerns(record: ConsumerRecord, stream: _Stream) -> bool:
    value: bytes = record.value or b""
    return stream.sign in value and _object(value).get("account_id") == stream.account_id


def _object(value: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _event(record: ConsumerRecord, told: dict[Place, int]) -> FeedEvent:
    """Counts the record as told."""
    told[record.topic, record.partition] = record.offset + 1
    data = _object(record.value)
    at_ms = data.get(_TIME_OF[record.topic])
    kind = TYPE_OF[record.topic]
    body = {"type": kind, "timestamp": rfc3339(at_ms if type(at_ms) is int else record.timestamp), "data": data}
    return FeedEvent(kind, orjson.dumps(body), event_id(now_ms(), told))
