"""Edge: the batch stage: consume a batch, decide, produce everything, commit explicit offsets.

FastStream runs the loop; what it does by default with acknowledgements, empty polls and errors is replaced here: each
of these loses records or goes deaf (measured). Two modes:

* at least once: all produced and acknowledged, then the offsets are committed, at most five times a second and on
  drain; ids are pure functions of the input, so what a crash repeats collapses;
* transactional: everything that follows from a cycle, and its offsets, are one Kafka transaction.

Theory of a rebalance (aiokafka is eager: everything is revoked, then assigned anew). The revoke callback waits for the
cycle in progress, commits, and raises the generation; a batch that was taken in an older generation, or before the new
assignment, is dropped: its records come again from the committed offset. The assigned callback only starts the
handler's restore; heartbeats go on meanwhile, and no batch is handled before the restore is done.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalGenerationError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from schemas.groups import static_member, transactional_id
from shared.kafka.client import (
    FETCH_WAIT_MS,
    HEARTBEAT_MS,
    MAX_POLL_INTERVAL_MS,
    REBALANCE_TIMEOUT_MS,
    SESSION_TIMEOUT_MS,
    connection_options,
    poll,
    set_collecting,
    wait_for_the_reader,
)
from shared.kafka.errors import FatalKafkaError, KafkaUnavailable
from shared.kafka.fetch_pace import FetchPace
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.kafka.seam import become_dynamic, position_of
from shared.membership.heartbeat import HeartbeatWatch
from shared.process.clock import monotonic_s, now_ms
from shared.process.service import Service
from shared.process.settings import Settings
from shared.process.telemetry import BATCH_SECONDS, RECORDS_IN, count_records_out

log = logging.getLogger(__name__)

COMMIT_EVERY_S: Final = 0.2
IDLE_POLL_MS: Final = 1_000
"""How long an empty poll waits. It costs no latency: records end it at once."""


@dataclass(frozen=True, slots=True)
class StageConfig:
    """What a stage reads and how.

    `group` is also its name. `cadence_ms`: how long after a fetch that brought something the next one is held back.
    `collect_ms`: how long the broker collects under load, or until it has `collect_bytes`, before it answers a fetch;
    for whoever wants few large batches, because it answers at the end of every period, with nothing if need be.
    """

    group: str
    topics: tuple[str, ...]
    cadence_ms: int = 0
    max_records: int = 500
    transactional: bool = False
    collect_ms: int = 0
    collect_bytes: int = 0


class GivenUp(Exception):
    """Raised by a handler that cannot finish a batch because the service is being stopped.

    Nothing of the batch is produced or committed: its records come again.
    """


class StageHandler:
    """The decisions of a stage. Subclasses override `handle`, and the rest where they hold state."""

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Restore what these partitions need; no record is handled before it returns. Called on every rebalance.

        It may take long, and then calls `Service.progress` with the stage's group whenever it has come further: a
        restore that does not for 30 s counts as dead, as any loop does.
        """

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """The offsets of these partitions are committed; another process may own them next."""

    async def handle(self, records: Sequence[ConsumerRecord], at_ms: int) -> Iterable[Out]:
        """Everything that follows from `records` at the time `at_ms`; dead letters are records too.

        `records` is empty when only `next_due_ms` has come. What it raises ends the process: a bad record must not.
        """
        raise TypeError(f"{type(self).__name__} does not handle records")

    def next_due_ms(self) -> int | None:
        """When `handle` shall be called without records, wall clock; None = only for records."""
        return None

    def commit_metadata(self, partition: TopicPartition) -> str:
        """The text to commit with the partition's offset."""
        return ""


class Stage:
    """One consumer, one producer, one handler. Create it, then `await run()`."""

    def __init__(self, service: Service, config: StageConfig, handler: StageHandler) -> None:
        self._service = service
        self._config = config
        self._handler = handler
        writer_id = transactional_id(config.group, service.instance) if config.transactional else None
        self.producer: Final = BatchProducer(service.settings, client_id=config.group, transactional_id=writer_id)
        self._cycle = asyncio.Lock()
        self._generation = 0
        self._batch_generation = 0
        self._rebalancing = False
        self._restored = asyncio.Event()
        self._restoring: asyncio.Task[None] | None = None
        self._done: dict[TopicPartition, int] = {}
        self._in_hand = False
        """A batch was taken and is not known to be done."""
        self._pending: dict[TopicPartition, int] = {}
        self._committed_at_s = 0.0
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._consumer: AIOKafkaConsumer | None = None
        self._watch: HeartbeatWatch | None = None
        self._watched = asyncio.Event()
        """Set with `_watch`: FastStream shows its consumer only after the first assignment."""
        service.expect(config.group)

    # -- life -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until the service is asked to stop (drained and committed then). Raises what makes going on impossible."""
        self._service.progress(self._config.group)
        await self.producer.start()
        broker = self._broker()
        subscriber: Any = broker.subscriber(
            *self._config.topics,
            batch=True,
            max_records=self._config.max_records,
            listener=_Drain(self),
            **_subscriber_options(self._service.settings, self._config.group),
        )
        # FastStream's own poll sleeps deaf after an empty one, and survives errors that must end the process
        subscriber.get_msg = self._next_batch
        # and what it does around a handler (parsing, scopes, acknowledgements: 170 microseconds a batch) is not used
        subscriber.consume_one = self._on_batch
        subscriber(self._on_batch)
        stop: asyncio.Future[Any] = asyncio.ensure_future(self._service.stopping.wait())
        try:
            await self._start(broker)
            await asyncio.wait([stop, self._ended], return_when=asyncio.FIRST_COMPLETED)
            if not self._ended.done():
                await self.drain()
        finally:
            stop.cancel()
            self._generation += 1
            if self._service.settings.leave_groups and self._consumer is not None:
                become_dynamic(self._consumer)
            await self._stop(broker)
        if self._ended.done():
            self._ended.result()

    async def _start(self, broker: KafkaBroker) -> None:
        try:
            await broker.start()
        except KafkaError as error:
            raise KafkaUnavailable(f"Kafka does not answer: {error}") from error

    async def _stop(self, broker: KafkaBroker) -> None:
        if self._restoring is not None:
            self._restoring.cancel()
            await asyncio.gather(self._restoring, return_exceptions=True)
        with contextlib.suppress(KafkaError):
            await broker.stop()
        with contextlib.suppress(KafkaError):
            await self.producer.stop()

    def _broker(self) -> KafkaBroker:
        settings = self._service.settings
        return KafkaBroker(
            settings.kafka_bootstrap_servers,
            security=_security(settings),
            apply_types=False,
            graceful_timeout=15,
            consumer_only=True,
            allow_auto_create_topics=False,
            log_level=logging.DEBUG,
            logger=logging.getLogger("faststream"),
        )

    def _fail(self, error: BaseException) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)

    # -- the loop ---------------------------------------------------------------------------------------------------

    async def _next_batch(self, consumer: AIOKafkaConsumer) -> tuple[ConsumerRecord, ...]:
        """FastStream asks for the next batch here; an empty one calls no handler."""
        if self._ended.done() or self._service.stopping.is_set():
            await asyncio.sleep(0.05)  # the broker is being stopped; its loop ends with it
            return ()
        try:
            return await self._poll(consumer)
        except GivenUp:
            return ()
        except Exception as error:
            self._fail(error)
            return ()

    async def _poll(self, consumer: AIOKafkaConsumer) -> tuple[ConsumerRecord, ...]:
        if self._consumer is None:
            self._consumer = consumer
            self._watch = HeartbeatWatch(consumer)
            self._watched.set()
            wait_for_the_reader(consumer)
            if self._config.cadence_ms:
                FetchPace(consumer, self._config.cadence_ms / 1000)
            self._service.lags[self._config.group] = self._lag
        self._in_hand = False
        found = await poll(consumer, timeout_ms=self._wait_ms(), max_records=self._config.max_records)
        self._in_hand = bool(found)
        if not self._restores():
            self._service.progress(self._config.group)
        if self._rebalancing:
            return ()  # of the old assignment: they come again from the committed offset
        if found:
            # here and not before the poll: one that began before a rebalance may return records of the new assignment
            self._batch_generation = self._generation
            if self._config.collect_ms:
                set_collecting(consumer, self._config.collect_ms, self._config.collect_bytes)
            return tuple(chain.from_iterable(found.values()))
        if self._config.collect_ms:
            set_collecting(consumer, 0)
        await self._when_idle()
        return ()

    def _restores(self) -> bool:
        """A restore is under way, which tells by itself whether it advances."""
        return self._restoring is not None and not self._restoring.done()

    def _wait_ms(self) -> int:
        """Until the next thing to do without a record: a commit, or what the handler has due."""
        wait = int(COMMIT_EVERY_S * 1000) if self._pending else IDLE_POLL_MS
        due = self._handler.next_due_ms()
        return wait if due is None else max(1, min(wait, due - now_ms()))

    async def _when_idle(self) -> None:
        due = self._handler.next_due_ms()
        if due is not None and due <= now_ms() and self._restored.is_set():
            await self._handle((), self._generation)
        async with self._cycle:
            await self._commit()

    async def _on_batch(self, records: Sequence[ConsumerRecord]) -> None:
        """FastStream's handler. Nothing may escape it: FastStream would log it and go on with the next batch."""
        try:
            generation = self._batch_generation
            await self._restored.wait()
            await self._handle(records, generation)
        except GivenUp as reason:
            log.warning("%s: a batch was given up: %s", self._config.group, reason)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._fail(error)

    async def _handle(self, records: Sequence[ConsumerRecord], generation: int) -> None:
        async with self._cycle:
            if generation != self._generation or self._ended.done():
                return
            started_s = monotonic_s()
            outs = list(await self._handler.handle(records, now_ms()))
            offsets = {TopicPartition(r.topic, r.partition): r.offset + 1 for r in records}
            if self._config.transactional:
                await self._transact(outs, offsets)
            else:
                await self._produce(outs, offsets)
            BATCH_SECONDS.labels(self._config.group).observe(monotonic_s() - started_s)
            _count(records, outs)

    def _check_alive(self) -> None:
        if self._watch is not None:
            self._watch.check()

    async def _produce(self, outs: list[Out], offsets: dict[TopicPartition, int]) -> None:
        self._check_alive()
        await self.producer.send_all(outs)
        self._pending |= offsets
        self._done |= offsets
        if monotonic_s() - self._committed_at_s >= COMMIT_EVERY_S:
            await self._commit()

    async def _transact(self, outs: list[Out], offsets: dict[TopicPartition, int]) -> None:
        if not outs and not offsets:
            return
        await self.producer.begin()
        await self.producer.send_all(outs)
        marks = {tp: (offset, self._handler.commit_metadata(tp)) for tp, offset in offsets.items()}
        await self.producer.add_offsets(marks, self._config.group)
        self._check_alive()
        await self.producer.commit()
        self._done |= offsets

    async def _commit(self) -> None:
        """Commit what is done. A refused commit is no loss: the new owner repeats the records, ids collapse."""
        if not self._pending or self._consumer is None:
            return
        marks = {tp: OffsetAndMetadata(o, self._handler.commit_metadata(tp)) for tp, o in self._pending.items()}
        self._pending = {}
        self._committed_at_s = monotonic_s()
        try:
            await self._consumer.commit(marks)
        except (CommitFailedError, IllegalGenerationError) as error:
            log.warning("%s: a commit was refused after a rebalance: %s", self._config.group, error)
        except KafkaError as error:
            raise FatalKafkaError(f"offsets could not be committed: {error!r}") from error

    async def drain(self) -> None:
        """Wait for the cycle in progress and commit; a batch fetched before is not handled any more."""
        async with self._cycle:
            self._generation += 1
            await self._commit()

    async def high_watermarks(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Where the committed records of assigned partitions end now; nothing when the broker does not answer."""
        if self._consumer is None:
            return {}
        try:
            found: dict[TopicPartition, int] = await self._consumer.end_offsets(list(partitions))
        except KafkaError as error:
            log.warning("%s: no high watermarks: %s", self._config.group, error)
            return {}
        return found

    async def position(self, partition: TopicPartition) -> int:
        """Up to which offset (exclusive) an assigned partition was read; for a handler while it handles: and handled.

        Markers of transactions count: behind the last one, this equals the high watermark.
        """
        if self._consumer is None:
            return 0
        position: int = await self._consumer.position(partition)
        return position

    def _lag(self) -> int:
        """Records behind the end of the assigned partitions, as far as the last fetch knows.

        While nothing is in hand everything read is done, also the markers of transactions behind the last record.
        """
        consumer = self._consumer
        if consumer is None:
            return 0
        total = 0
        for tp in consumer.assignment():
            end = consumer.highwater(tp)
            done = self._done.get(tp) if self._in_hand else position_of(consumer, tp)
            if end is not None and done is not None:
                total += max(0, end - done)
        return total

    # -- rebalance --------------------------------------------------------------------------------------------------

    async def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Called by aiokafka, heartbeats going on; partitions are not given away before it returns."""
        try:
            self._rebalancing = True
            self._restored.clear()
            if self._restoring is not None:
                self._restoring.cancel()
                await asyncio.gather(self._restoring, return_exceptions=True)
            await self.drain()
            self._done.clear()
            await self._handler.revoked(partitions)
        except Exception as error:  # aiokafka would log it and go on with a stage that has not drained
            self._fail(error)

    async def on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Called by aiokafka before heartbeats begin: must be quick, so the restore is a task."""
        self._rebalancing = False
        self._restoring = asyncio.create_task(self._restore(partitions), name=f"{self._config.group}-restore")

    async def _restore(self, partitions: frozenset[TopicPartition]) -> None:
        held = sorted(f"{tp.topic}:{tp.partition}" for tp in partitions)
        self._service.set_assignment(self._config.group, held, ready=False)
        try:
            self._service.progress(self._config.group)
            await self._handler.assigned(partitions)
            await self._watched.wait()
            if self._watch is not None:
                await self._watch.until_fresh()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._fail(error)
            return
        self._service.progress(self._config.group)
        self._service.set_assignment(self._config.group, held)
        self._restored.set()


async def run_stages(service: Service, *stages: Stage) -> None:
    """Run the stages of one process together: when one ends, the others drain too. Raises what the first one raised."""
    running = [asyncio.ensure_future(stage.run()) for stage in stages]
    try:
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        service.stopping.set()
        await asyncio.wait(running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    for task in running:
        task.result()


class _Drain(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped here
    """Hands aiokafka's rebalance callbacks to the stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._stage.on_revoked(frozenset(revoked))

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self._stage.on_assigned(frozenset(assigned))


def _subscriber_options(settings: Settings, group: str) -> dict[str, Any]:
    return {
        "group_id": group,
        "group_instance_id": static_member(group, settings.instance) if settings.static else None,
        "ack_policy": AckPolicy.MANUAL,
        "no_reply": True,
        "batch_timeout_ms": 1,
        "auto_offset_reset": "none",
        "isolation_level": "read_committed",
        "session_timeout_ms": SESSION_TIMEOUT_MS,
        "heartbeat_interval_ms": HEARTBEAT_MS,
        "rebalance_timeout_ms": REBALANCE_TIMEOUT_MS,
        "max_poll_interval_ms": MAX_POLL_INTERVAL_MS,
        "fetch_max_wait_ms": FETCH_WAIT_MS,
        "partition_assignment_strategy": (RangePartitionAssignor,),
    }


def _security(settings: Settings) -> BaseSecurity | None:
    """The cluster's security in FastStream's words."""
    options = connection_options(settings)
    use_ssl = "SSL" in settings.kafka_security_protocol
    context = options.get("ssl_context")
    if settings.kafka_security_protocol.startswith("SASL"):
        kinds = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
        return kinds[settings.kafka_sasl_mechanism](
            username=settings.kafka_sasl_username or "",
            password=settings.kafka_sasl_password or "",
            use_ssl=use_ssl,
            ssl_context=context,
        )
    return BaseSecurity(ssl_context=context, use_ssl=True) if use_ssl else None


def _count(records: Sequence[ConsumerRecord], outs: Sequence[Out]) -> None:
    """Metrics, once per batch and topic."""
    for topic, count in Counter(r.topic for r in records).items():
        RECORDS_IN.labels(topic).inc(count)
    count_records_out(o.topic for o in outs)
