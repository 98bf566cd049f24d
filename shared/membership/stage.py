"""Edge: the stage: consume a batch, decide, write everything that follows, commit explicit offsets.

FastStream runs the loop (`frame.StageSubscriber`) and asks here for everything that it would get wrong: polls, errors,
commits. How a stage writes and commits is its output (at least once, or in transactions); how it lives through
rebalances is its membership.
"""

import asyncio
import contextlib
import logging
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import IllegalStateError, KafkaError

from schemas.groups import transactional_id, writer_id
from shared.kafka.client import poll, set_collecting
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.kafka.seam import position_of
from shared.membership.handler import GivenUp, StageConfig, StageHandler
from shared.membership.member import Assignment, Member
from shared.membership.output import COMMIT_EVERY_S, AtLeastOnce, InTransactions, Output
from shared.process.clock import monotonic_s, now_ms
from shared.process.metrics import BATCH_SECONDS, RECORDS_IN, count_records_out
from shared.process.service import Service
from shared.process.tracing import active

log = logging.getLogger(__name__)

IDLE_POLL_MS: Final = 1_000
"""How long an empty poll waits. It costs no latency: records end it at once."""

PASS_MARKERS_EVERY_S: Final = 60.0
"""How often an idle stage looks whether markers lie behind what it has committed (`Output.pass_markers`)."""


class Stage:
    """One consumer, one producer, one handler. Create it and `add` it to the application."""

    def __init__(self, service: Service, config: StageConfig, handler: StageHandler) -> None:
        self._service: Final = service
        self._config: Final = config
        self._handler: Final = handler
        self._member: Final = Member(service, config.group, self, fetch_pause_s=config.cadence_ms / 1000)
        self._producer: Final = _producer(service, config, self._member)
        self._output: Final[Output] = (
            InTransactions(service, self._member, self._producer)
            if config.transactional
            else AtLeastOnce(service, self._member, self._producer, handler.mistakes_in_a_row)
        )
        self._cycle: Final = asyncio.Lock()
        self._batch_generation = 0
        self._done: dict[TopicPartition, int] = {}
        self._passed_at_s = monotonic_s()
        self._in_hand = False
        """A batch was taken and is not known to be done."""
        self._first: dict[TopicPartition, int] = {}
        """The first offset that was taken of each partition in the generation of the batch."""
        self._seeks = 0
        self._batch_seeks = 0

    # -- life, as its subscriber has it ------------------------------------------------------------------------------

    @property
    def group(self) -> str:
        return self._config.group

    @property
    def topics(self) -> tuple[str, ...]:
        return self._config.topics

    @property
    def max_records(self) -> int:
        return self._config.max_records

    @property
    def listener(self) -> ConsumerRebalanceListener:
        return self._member.listener

    @property
    def ended(self) -> "asyncio.Future[None]":
        return self._member.ended

    async def begin(self) -> None:
        """Start the producer. Raises what makes going on impossible."""
        self._member.advanced()
        await self._producer.start()

    async def drain(self) -> None:
        """Wait for the cycle in progress and commit; a batch fetched before is not handled any more."""
        if self.ended.done():
            return
        self._member.retire()
        try:
            async with self._cycle:
                await self._output.give_back()
        except Exception as error:
            self._member.fail(error)

    async def leave(self) -> None:
        """Nothing is decided any more, drained or not."""
        self._member.retire()
        self._member.leave()
        await self._member.stop_restoring()

    async def end(self) -> None:
        """Stop the producer."""
        with contextlib.suppress(KafkaError):
            await self._producer.stop()

    # -- the loop ---------------------------------------------------------------------------------------------------

    async def next_batch(self, consumer: AIOKafkaConsumer) -> tuple[ConsumerRecord, ...]:
        """The next batch. An empty one is not handled."""
        if self._member.ended.done() or self._service.stopping.is_set():
            await asyncio.sleep(0.05)  # the broker is being stopped; its loop ends with it
            return ()
        try:
            return await self._poll(consumer)
        except GivenUp:
            return ()
        except Exception as error:
            self._member.fail(error)
            return ()

    async def _poll(self, consumer: AIOKafkaConsumer) -> tuple[ConsumerRecord, ...]:
        if self._member.consumer is None:  # FastStream shows its consumer only after the first assignment
            self._member.attach(consumer)
        self._in_hand = False
        found = await poll(consumer, timeout_ms=self._wait_ms(), max_records=self._config.max_records)
        self._in_hand = bool(found)
        self._member.advanced()
        if self._member.rebalancing:
            return ()  # of the old assignment: they come again from the committed offset
        if found:
            # here and not before the poll: one that began before a rebalance may return records of the new assignment
            self._note_batch(found)
            if self._config.collect_ms:
                set_collecting(consumer, self._config.collect_ms, self._config.collect_bytes)
            return tuple(chain.from_iterable(found.values()))
        if self._config.collect_ms:
            set_collecting(consumer, 0)
        await self._when_idle()
        return ()

    def _note_batch(self, found: Mapping[TopicPartition, list[ConsumerRecord]]) -> None:
        if self._batch_generation != self._member.generation:
            self._batch_generation = self._member.generation
            self._first.clear()
        self._batch_seeks = self._seeks
        for tp, records in found.items():
            self._first.setdefault(tp, records[0].offset)

    def _wait_ms(self) -> int:
        """Until the next thing to do without a record: a commit, or what the handler has due."""
        wait = int(COMMIT_EVERY_S * 1000) if self._output.commit_is_due else IDLE_POLL_MS
        due = self._handler.next_due_ms()
        return wait if due is None else max(1, min(wait, due - now_ms()))

    async def _when_idle(self) -> None:
        due = self._handler.next_due_ms()
        if due is not None and due <= now_ms() and self._member.restored.is_set():
            await self._handle((), self._member.generation)
        async with self._cycle:
            if monotonic_s() - self._passed_at_s >= PASS_MARKERS_EVERY_S and self._member.restored.is_set():
                self._passed_at_s = monotonic_s()
                await self._output.pass_markers(self._positions())
            await self._output.commit()

    def _positions(self) -> dict[TopicPartition, int]:
        """What would be read next, of every assigned partition; everything before is worked off."""
        consumer = self._member.consumer
        if consumer is None:
            return {}
        positions = {tp: position_of(consumer, tp) for tp in consumer.assignment()}
        return {tp: position for tp, position in positions.items() if position}

    async def on_batch(self, records: Sequence[ConsumerRecord]) -> None:
        """Handle a batch. Nothing may escape: FastStream would log it and go on with the next one."""
        try:
            generation, seeks = self._batch_generation, self._batch_seeks
            await self._member.restored.wait()
            if seeks == self._seeks:
                await self._handle(records, generation)
        except GivenUp as reason:
            log.warning("%s: a batch was given up: %s", self._config.group, reason)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._member.fail(error)

    async def _handle(self, records: Sequence[ConsumerRecord], generation: int) -> None:
        async with self._cycle:
            if generation != self._member.generation or self._member.ended.done():
                return
            started_s = monotonic_s()
            if (tracing := active()) is not None:
                tracing.begin()
            outs = list(await self._handler.handle(records, now_ms()))
            offsets = {TopicPartition(r.topic, r.partition): r.offset + 1 for r in records}
            await self._output.write(outs, offsets)
            self._done |= offsets
            if tracing is not None:
                tracing.end(self._config.group, len(records))
            BATCH_SECONDS.labels(self._config.group).observe(monotonic_s() - started_s)
            _count(records, outs)

    # -- what a handler may ask -------------------------------------------------------------------------------------

    async def high_watermarks(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Where the committed records of assigned partitions end now; nothing when the broker does not answer."""
        consumer = self._member.consumer
        if consumer is None:
            return {}
        try:
            found: dict[TopicPartition, int] = await consumer.end_offsets(list(partitions))
        except KafkaError as error:
            log.warning("%s: no high watermarks: %s", self._config.group, error)
            return {}
        return found

    async def position(self, partition: TopicPartition) -> int:
        """Up to which offset (exclusive) an assigned partition was read; for a handler while it handles: and handled.

        Markers of transactions count: behind the last one, this equals the high watermark.
        """
        consumer = self._member.consumer
        if consumer is None:
            return 0
        position: int = await consumer.position(partition)
        return position

    # -- duties of a member -----------------------------------------------------------------------------------------

    async def revoked(self) -> None:
        """Wait for the cycle in progress, and give back what is held."""
        async with self._cycle:
            await self._output.give_back()
        self._done.clear()
        await self._handler.revoked()

    async def assigned(self, assignment: Assignment) -> None:
        """Nothing to do before the restore."""

    async def restore(self, assignment: Assignment) -> None:
        """Nobody else writes for these partitions any more; then what the handler restores."""
        inherited = await self._output.take_over(assignment.partitions)
        self._seek(await self._member.attached(), inherited.offsets)
        await self._handler.assigned(inherited)

    def _seek(self, consumer: AIOKafkaConsumer, places: Mapping[TopicPartition, int]) -> None:
        """Read from `places`, where aiokafka has begun before them: it neither waits for transactions nor asks whether
        the coordinator knows all (`shared/kafka/committed_offsets.py`). A batch that it took there is dropped.

        It cannot have begun behind them, and where it has begun there nothing is disturbed: a fetch may be held back.
        """
        first = self._first if self._batch_generation == self._member.generation else {}
        wrong = []
        for tp, place in places.items():
            position = position_of(consumer, tp) if tp in consumer.assignment() else place
            if position is None or min(position, first.get(tp, position)) < place:
                wrong.append(tp)
        for tp in wrong:
            with contextlib.suppress(IllegalStateError):  # given away just now: a take-over will seek again
                consumer.seek(tp, places[tp])
        self._seeks += bool(wrong)

    def lag(self) -> int:
        """Records behind the end of the assigned partitions, as far as the last fetch knows.

        While nothing is in hand everything read is done, also the markers of transactions behind the last record.
        """
        consumer = self._member.consumer
        if consumer is None:
            return 0
        total = 0
        for tp in consumer.assignment():
            end = consumer.highwater(tp)
            done = self._done.get(tp) if self._in_hand else position_of(consumer, tp)
            if end is not None and done is not None:
                total += max(0, end - done)
        return total


def _producer(service: Service, config: StageConfig, member: Member) -> BatchProducer:
    if config.transactional:
        fenced_by_name = transactional_id(config.group, service.instance)
        return BatchProducer(
            service.settings, client_id=config.group, transactional_id=fenced_by_name, waits=service.waits(config.group)
        )
    name = writer_id(config.group, service.instance, secrets.token_hex(4))
    return BatchProducer(
        service.settings,
        client_id=config.group,
        writer_id=name,
        may_write=lambda: member.alive,
        waits=service.waits(config.group),
    )


def _count(records: Sequence[ConsumerRecord], outs: Sequence[Out]) -> None:
    """Metrics, once per batch and topic."""
    for topic, count in Counter(r.topic for r in records).items():
        RECORDS_IN.labels(topic).inc(count)
    count_records_out(o.topic for o in outs)
