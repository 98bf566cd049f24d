"""Edge: the stage: consume a batch, decide, write everything that follows, commit explicit offsets.

FastStream runs the loop; what it does by default with acknowledgements, empty polls and errors is replaced here: each
of these loses records or goes deaf (measured). How a stage writes and commits is its output (at least once, or in
transactions); how it lives through rebalances is its membership.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
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
)
from shared.kafka.errors import KafkaUnavailable
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.kafka.seam import position_of
from shared.membership.handler import GivenUp, StageConfig, StageHandler
from shared.membership.member import Assignment, Member
from shared.membership.output import COMMIT_EVERY_S, AtLeastOnce, InTransactions, Output
from shared.process.clock import monotonic_s, now_ms
from shared.process.service import Service
from shared.process.settings import Settings
from shared.process.telemetry import BATCH_SECONDS, RECORDS_IN, count_records_out

log = logging.getLogger(__name__)

IDLE_POLL_MS: Final = 1_000
"""How long an empty poll waits. It costs no latency: records end it at once."""


class Stage:
    """One consumer, one producer, one handler. Create it, then `await run()`."""

    def __init__(self, service: Service, config: StageConfig, handler: StageHandler) -> None:
        self._service: Final = service
        self._config: Final = config
        self._handler: Final = handler
        transaction = transactional_id(config.group, service.instance) if config.transactional else None
        self._producer: Final = BatchProducer(service.settings, client_id=config.group, transactional_id=transaction)
        self._member: Final = Member(service, config.group, self, fetch_pause_s=config.cadence_ms / 1000)
        kind = InTransactions if config.transactional else AtLeastOnce
        self._output: Final[Output] = kind(self._member, self._producer, handler.commit_metadata)
        self._cycle: Final = asyncio.Lock()
        self._batch_generation = 0
        self._done: dict[TopicPartition, int] = {}
        self._in_hand = False
        """A batch was taken and is not known to be done."""

    # -- life -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until the service is asked to stop (drained and committed then). Raises what makes going on impossible."""
        self._member.advanced()
        await self._producer.start()
        broker = self._broker()
        subscriber: Any = broker.subscriber(
            *self._config.topics,
            batch=True,
            max_records=self._config.max_records,
            listener=self._member.listener,
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
            await asyncio.wait([stop, self._member.ended], return_when=asyncio.FIRST_COMPLETED)
            if not self._member.ended.done():
                await self.drain()
        finally:
            stop.cancel()
            self._member.retire()
            self._member.leave()
            await self._stop(broker)
        self._member.raise_failure()

    async def _start(self, broker: KafkaBroker) -> None:
        try:
            await broker.start()
        except KafkaError as error:
            raise KafkaUnavailable(f"Kafka does not answer: {error}") from error

    async def _stop(self, broker: KafkaBroker) -> None:
        await self._member.stop_restoring()
        with contextlib.suppress(KafkaError):
            await broker.stop()
        with contextlib.suppress(KafkaError):
            await self._producer.stop()

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

    # -- the loop ---------------------------------------------------------------------------------------------------

    async def _next_batch(self, consumer: AIOKafkaConsumer) -> tuple[ConsumerRecord, ...]:
        """FastStream asks for the next batch here; an empty one calls no handler."""
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
            self._batch_generation = self._member.generation
            if self._config.collect_ms:
                set_collecting(consumer, self._config.collect_ms, self._config.collect_bytes)
            return tuple(chain.from_iterable(found.values()))
        if self._config.collect_ms:
            set_collecting(consumer, 0)
        await self._when_idle()
        return ()

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
            await self._output.commit()

    async def _on_batch(self, records: Sequence[ConsumerRecord]) -> None:
        """FastStream's handler. Nothing may escape it: FastStream would log it and go on with the next batch."""
        try:
            generation = self._batch_generation
            await self._member.restored.wait()
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
            outs = list(await self._handler.handle(records, now_ms()))
            offsets = {TopicPartition(r.topic, r.partition): r.offset + 1 for r in records}
            await self._output.write(outs, offsets)
            self._done |= offsets
            BATCH_SECONDS.labels(self._config.group).observe(monotonic_s() - started_s)
            _count(records, outs)

    async def drain(self) -> None:
        """Wait for the cycle in progress and commit; a batch fetched before is not handled any more."""
        self._member.retire()
        async with self._cycle:
            await self._output.commit()

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
        """Wait for the cycle in progress, and commit."""
        async with self._cycle:
            await self._output.commit()
        self._done.clear()
        await self._handler.revoked()

    async def assigned(self, assignment: Assignment) -> None:
        """Nothing to do before the restore."""

    async def restore(self, assignment: Assignment) -> None:
        """What the handler restores."""
        await self._handler.assigned(assignment.partitions)

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
