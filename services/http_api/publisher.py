"""Edge: requests to Kafka, many in one batch; who waits for one is told its place and time, or after 5 s nothing."""

import asyncio
from collections import deque
from typing import Final, NamedTuple

from shared.kafka.errors import FatalKafkaError
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out, murmur2_partition
from shared.messages.ids import message_id_of
from shared.process.clock import monotonic_s

ANSWER_WITHIN_S: Final = 5.0
LINGER_S: Final = 0.004
"""A batch costs about a millisecond of CPU whatever it carries."""

LOOK_S: Final = 0.25
WAITING_OCTETS_MAX: Final = 32 << 20
"""While Kafka is away: what comes beyond that is not taken at all."""

BATCH_MAX: Final = 2_000


class NotAcknowledged(Exception):
    """Kafka has not said in time that it has the request. It may or may not be there."""


class KafkaHasIt(NamedTuple):
    """What Kafka has."""

    message_id: str
    accepted_at_ms: int


class _Waiting(NamedTuple):
    out: Out
    since_s: float
    answer: "asyncio.Future[KafkaHasIt]"


class RequestPublisher:
    """Collects what is published and sends it, a batch at a time. `run` it beside whatever publishes."""

    def __init__(self, producer: BatchProducer) -> None:
        self._producer = producer
        self._waiting: deque[_Waiting] = deque()
        self._octets = 0
        self._came = asyncio.Event()
        self._turn = 0

    async def publish(self, out: Out) -> KafkaHasIt:
        """Returns when Kafka has it. Raises `NotAcknowledged`."""
        if self._octets > WAITING_OCTETS_MAX:
            raise NotAcknowledged
        answer: asyncio.Future[KafkaHasIt] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(out, monotonic_s(), answer))
        self._octets += len(out.value or b"")
        self._came.set()
        return await answer

    async def run(self) -> None:
        """Until it is cancelled. Raises `FatalKafkaError` when the end of a batch is unknown for good."""
        while True:
            await self._came.wait()
            await asyncio.sleep(LINGER_S)
            self._came.clear()
            while self._waiting:
                await self._send([self._taken() for _ in range(min(BATCH_MAX, len(self._waiting)))])

    def _taken(self) -> _Waiting:
        one = self._waiting.popleft()
        self._octets -= len(one.out.value or b"")
        return one

    async def _send(self, batch: list[_Waiting]) -> None:
        self._turn += 1
        outs = [await self._placed(one.out) for one in batch]
        sending = asyncio.ensure_future(self._producer.send_dated(outs))
        try:
            while not sending.done():
                await asyncio.wait({sending}, timeout=LOOK_S)
                self._give_up_late(batch)
            found = sending.result()
        except FatalKafkaError:
            for one in batch:
                _end(one.answer, NotAcknowledged())
            raise
        finally:
            sending.cancel()
        for one, out, (partition, offset, at_ms) in zip(batch, outs, found, strict=True):
            if not one.answer.done():
                one.answer.set_result(KafkaHasIt(message_id_of(at_ms, out.topic, partition, offset), at_ms))

    async def _placed(self, out: Out) -> Out:
        """With its partition: of its key where it has one; the others of a batch all go to one, in turn."""
        count = await self._producer.partition_count(out.topic)
        place = self._turn % count if out.key is None else murmur2_partition(out.key, count)
        return out._replace(partition=place)

    def _give_up_late(self, batch: list[_Waiting]) -> None:
        """Nobody waits longer than `ANSWER_WITHIN_S`. What was not sent yet is not sent any more."""
        since_s = monotonic_s() - ANSWER_WITHIN_S
        for one in batch:
            if one.since_s <= since_s:
                _end(one.answer, NotAcknowledged())
        while self._waiting and self._waiting[0].since_s <= since_s:
            _end(self._taken().answer, NotAcknowledged())


def _end(answer: "asyncio.Future[KafkaHasIt]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
