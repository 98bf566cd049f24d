"""Edge: fences: what a process that lost its work still tries to append is refused by Kafka, for ever.

A stage that writes at least once looks whether it still owns its work, and then produces. Between the look and the
broker's append lies a gap in which it may be stopped for any time, while a successor begins. So every run of such a
process has a producer id of its own, which it gets for a `transactional.id` of its own (`register`), though it never
writes in a transaction; and a successor, before it looks at anything, has Kafka write an abort marker with the next
epoch of that producer id into every partition that the predecessor may write to (`fence`). A marker is no record: no
reader sees it. But a partition's leader refuses whatever a producer id appends with an epoch older than the newest it
has seen, so what comes late is neither read nor there. One fence over 1,200 partitions takes 0.2 s, and only a
take-over from a process that did not give its work back needs one; nothing is paid for it in between.

Kafka forgets an id that nobody used in a transaction for `transactional.id.expiration.ms` (7 days); `keep` uses it.
A partition's leader forgets the epochs of a producer that has not written for `producer.id.expiration.ms` (1 day), so
whoever sleeps longer must not find a connection that still takes its octets (`seam.guard_produce`).
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import (
    CoordinatorLoadInProgressError,
    GroupCoordinatorNotAvailableError,
    KafkaError,
    NotCoordinatorForGroupError,
    for_code,
)
from aiokafka.protocol.transaction import AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest

from schemas.commit_marks import Writer
from shared.kafka.client import SESSION_TIMEOUT_MS, connection_options
from shared.kafka.errors import FatalKafkaError, KafkaUnavailable
from shared.kafka.leader_epochs import leader_epochs
from shared.process.settings import Settings

WITHIN_S: Final = 60.0
"""A coordinator that is being loaded, or moved, takes some seconds; the first one of a new cluster the longest."""

_RETRY_S: Final = 0.02
_NO_ERROR: Final = 0
_UNKNOWN_TOPIC_OR_PARTITION: Final = 3
_NOT_ATTEMPTED: Final = 55
_NEWER_FENCE: Final = frozenset({47, 49, 90})
"""Another successor has begun a fence of the same writer: the epoch is not the newest any more."""
_AGAIN: Final = frozenset({14, 15, 16, 51})
"""The coordinator is being loaded, is not available, has moved; or the markers of the last fence are being written."""
_MOVING: Final = (GroupCoordinatorNotAvailableError, CoordinatorLoadInProgressError, NotCoordinatorForGroupError)


class Registered(NamedTuple):
    """A writer as it may write now: only with the newest epoch of its producer id."""

    writer: Writer
    epoch: int


class _NewerFence(Exception):
    """Somebody else is fencing the same writer."""


class _Coordinator:
    """The broker that answers for one `transactional.id`."""

    def __init__(self, client: AIOKafkaClient, transactional_id: str) -> None:
        self.client: Final = client
        self._id: Final = transactional_id

    async def init(self) -> Registered:
        """The id's producer with a new epoch; waits until the markers of a fence before are all written."""
        answer = await self._ask(InitProducerIdRequest(self._id, SESSION_TIMEOUT_MS), _code)
        return Registered(Writer(self._id, answer.producer_id), answer.producer_epoch)

    async def abort(self, registered: Registered, partitions: Iterable[TopicPartition]) -> None:
        """Have an abort marker with the epoch written to `partitions`, some milliseconds after this has returned."""
        writer, epoch = registered
        left = set(partitions)
        while left:
            by_topic: dict[str, list[int]] = defaultdict(list)
            for tp in left:
                by_topic[tp.topic].append(tp.partition)
            request = AddPartitionsToTxnRequest(self._id, writer.producer_id, epoch, list(by_topic.items()))
            answer = await self._ask(request, _codes, {_UNKNOWN_TOPIC_OR_PARTITION})
            gone = {
                TopicPartition(topic, number)
                for topic, partitions_of in answer.errors
                for number, code in partitions_of
                if code == _UNKNOWN_TOPIC_OR_PARTITION
            }
            if not gone:
                break
            left -= gone  # deleted just now: nobody can write there
        if left:
            end = EndTxnRequest(self._id, writer.producer_id, epoch, False)
            await self._ask(end, _code)

    async def _ask(self, request: Any, codes_of: Callable[[Any], set[int]], allowed: Iterable[int] = ()) -> Any:
        """The answer to `request`, asked again where that helps. Raises `KafkaError`, and `_NewerFence`."""
        while True:
            try:
                node = await self.client.coordinator_lookup(CoordinationType.TRANSACTION, self._id)
                answer = await self.client.send(node, request, group=ConnectionGroup.COORDINATION)
            except KafkaError as error:
                if not (error.retriable or isinstance(error, _MOVING)):
                    raise
                await asyncio.sleep(_RETRY_S)
                continue
            codes = codes_of(answer) - {_NO_ERROR}
            if codes & _NEWER_FENCE:
                raise _NewerFence
            if wrong := codes - _AGAIN - {_NOT_ATTEMPTED, *allowed}:
                raise for_code(min(wrong))(f"transactional id {self._id}")
            if not codes & _AGAIN:
                return answer
            await asyncio.sleep(_RETRY_S)


def _code(answer: Any) -> set[int]:
    return {answer.error_code}


def _codes(answer: Any) -> set[int]:
    return {code for _, partitions in answer.errors for _, code in partitions}


@asynccontextmanager
async def _coordinator(settings: Settings, transactional_id: str) -> AsyncIterator[_Coordinator]:
    """Raises `KafkaUnavailable` when Kafka does not answer, `FatalKafkaError` when it refuses."""
    client = AIOKafkaClient(**connection_options(settings))
    try:
        async with asyncio.timeout(WITHIN_S):
            await client.bootstrap()
            yield _Coordinator(client, transactional_id)
    except TimeoutError:
        sentence = f"the coordinator of transactional id {transactional_id} did not answer within {WITHIN_S:.0f} s"
        raise KafkaUnavailable(sentence) from None
    except KafkaError as error:
        if error.retriable:
            raise KafkaUnavailable(f"Kafka does not answer: {error}") from error
        raise FatalKafkaError(f"transactional id {transactional_id} cannot be used: {error!r}") from error
    finally:
        await client.close()


async def register(settings: Settings, transactional_id: str) -> Registered:
    """A producer id for one run of a process, by which a successor can fence it.

    Raises `KafkaUnavailable` and `FatalKafkaError`.
    """
    async with _coordinator(settings, transactional_id) as coordinator:
        return await coordinator.init()


async def fence(settings: Settings, writer: Writer, partitions: Iterable[TopicPartition]) -> bool:
    """Returns when nothing that `writer` sends is appended to `partitions` any more.

    Done once more where a partition has had another leader meanwhile, or none for a moment: its marker may be missing.
    False where Kafka has forgotten the writer, which has then done nothing for days: nothing was fenced. Partitions
    that are deleted meanwhile are passed over. Raises `KafkaUnavailable` and `FatalKafkaError`.
    """
    wanted = set(partitions)
    async with _coordinator(settings, writer.transactional_id) as coordinator:
        while True:
            try:
                registered = await coordinator.init()
                if registered.writer != writer:
                    return False
                before = await leader_epochs(coordinator.client, wanted)
                await coordinator.abort(registered, wanted)
                await coordinator.init()  # answers when the markers are written, where there is a leader to write them
                after = await leader_epochs(coordinator.client, wanted)
            except _NewerFence:
                continue
            if all(before.get(tp) == epoch for tp, epoch in after.items()):
                return True


async def keep(settings: Settings, registered: Registered, partition: TopicPartition) -> None:
    """Have Kafka remember the id for some days more, by a transaction over `partition` in which nothing is written.

    Raises `FatalKafkaError` when the writer was fenced, and `KafkaUnavailable`.
    """
    async with _coordinator(settings, registered.writer.transactional_id) as coordinator:
        try:
            await coordinator.abort(registered, {partition})
        except _NewerFence:
            raise FatalKafkaError("another process took over this one's work (fenced)") from None
