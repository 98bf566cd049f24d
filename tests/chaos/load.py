"""Edge: an application that publishes: without a key once, with one until Kafka has acknowledged it.

Without a key: an idempotent producer with Java's partitioner. With a key: librdkafka's partitioner, and no help from
the client: what is not acknowledged in time is published again, under the same key.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.topics import MT_REQUESTS, MT_REQUESTS_OTP
from shared.kafka.client import connection_options
from shared.messages.ids import message_id_of
from shared.process.clock import now_ms
from shared.process.settings import Settings
from tests.chaos.messages import Request, librdkafka_partition, request

SLICE_S: Final = 0.1
SLICE: Final = 7
ACK_S: Final = 4.0
AGAIN_S: Final = 0.3
OPEN_MAX: Final = 900


class Load:
    """`acked`: the ids that Kafka has acknowledged. `next_index`: the number of the message that comes next."""

    def __init__(self, settings: Settings, seed: int) -> None:
        self._settings = settings
        self._seed = seed
        self._once: AIOKafkaProducer | None = None
        self._again: AIOKafkaProducer | None = None
        self._partitions: dict[str, int] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self.next_index = 0
        self.published = 0
        self.unknown = 0
        self.acked: dict[str, str] = {}

    async def start(self) -> None:
        options = connection_options(self._settings)
        self._once = AIOKafkaProducer(**options, acks="all", enable_idempotence=True, linger_ms=5)
        self._again = AIOKafkaProducer(**options | {"request_timeout_ms": int(ACK_S * 1000)}, acks="all", linger_ms=5)
        await self._once.start()
        await self._again.start()
        for topic in (MT_REQUESTS, MT_REQUESTS_OTP):
            self._partitions[topic] = len(await self._once.partitions_for(topic))

    async def stop(self) -> None:
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        for producer in (self._once, self._again):
            if producer is not None:
                await producer.stop()

    @asynccontextmanager
    async def running(self, open_messages: Callable[[], int]) -> AsyncIterator[None]:
        """Publish while the block runs, then wait for every acknowledgement that is still due.

        No more while `OPEN_MAX` messages are without an end: a slow machine must not collect a backlog.
        """
        enough = asyncio.Event()
        publishing = asyncio.create_task(self._publish_until(enough, open_messages))
        try:
            yield
        finally:
            enough.set()
            await publishing
            await asyncio.gather(*self._under_way)

    async def _publish_until(self, enough: asyncio.Event, open_messages: Callable[[], int]) -> None:
        while not enough.is_set():
            if open_messages() + len(self._under_way) < OPEN_MAX:
                for _ in range(SLICE):
                    self._begin(request(self._seed, self.next_index))
                    self.next_index += 1
            await asyncio.sleep(SLICE_S)

    def _begin(self, one: Request) -> None:
        if one.ahead_s:
            at = datetime.fromtimestamp(now_ms() / 1000 + one.ahead_s, UTC)
            one.value["send_at"] = at.isoformat(timespec="milliseconds")
        publish = self._publish_once if one.record_key is None else self._publish_until_acknowledged
        task = asyncio.create_task(publish(one))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _publish_once(self, one: Request) -> None:
        """Whether one that fails is there nobody knows: the log will tell."""
        if self._once is None:
            raise RuntimeError("start() comes first")
        try:
            await self._send(self._once, one, None)
        except KafkaError:
            self.unknown += 1
        else:
            self.published += 1

    async def _publish_until_acknowledged(self, one: Request) -> None:
        if self._again is None or one.record_key is None:
            raise RuntimeError("start() comes first")
        topic = MT_REQUESTS_OTP if one.otp else MT_REQUESTS
        partition = librdkafka_partition(one.record_key, self._partitions[topic])
        acknowledged = 0
        while acknowledged < one.times:
            try:
                async with asyncio.timeout(ACK_S):
                    await self._send(self._again, one, partition)
                acknowledged += 1
            except (KafkaError, TimeoutError):
                self.unknown += 1
                await asyncio.sleep(AGAIN_S)
        self.published += 1

    async def _send(self, producer: AIOKafkaProducer, one: Request, partition: int | None) -> None:
        topic = MT_REQUESTS_OTP if one.otp else MT_REQUESTS
        value = json.dumps(one.value).encode()
        ack = await producer.send_and_wait(topic, value, key=one.record_key, partition=partition)
        self.acked[message_id_of(ack.timestamp, ack.topic, ack.partition, ack.offset)] = one.to
