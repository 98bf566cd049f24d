"""Edge: a service as a FastStream application: its broker, its subscribers, its lifespan.

FastStream's own subscriber loses records or goes deaf in four places (measured): it sleeps through what comes after an
empty poll, it goes on after errors that must end the process, it acknowledges what failed, and it spends 170
microseconds a batch on parsing, scopes and acknowledgements. The subclasses here replace just these, at FastStream's
extension points:

* `StageSubscriber`: `get_msg` and `consume_one` are the stage's, which polls, decides, writes and commits itself;
* `OwnCycle`: declared like any other, but its loop is its own (throttler and binder);
* `GatewayBroker`: makes both, with the security, the group options and the document of this project.

A service is an `Application` with a lifespan, which opens what the service needs and adds its work:

    @asynccontextmanager
    async def lifespan(app: Application) -> AsyncIterator[None]:
        app.add(Stage(app.service, ENCODER, EncoderHandler(app.service)))
        yield

    async def run(service: Service) -> None:
        await Application(service, lifespan).serve()

Where a few records a second come, nothing of this is needed: see docs/frame.md for a plain handler.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from faststream import AckPolicy, FastStream
from faststream._internal.endpoint.subscriber.call_item import CallsCollection
from faststream.kafka import KafkaBroker
from faststream.kafka.broker.registrator import KafkaRegistrator
from faststream.kafka.schemas import Topic as DeclaredTopic
from faststream.kafka.subscriber.config import KafkaSubscriberConfig, KafkaSubscriberSpecificationConfig
from faststream.kafka.subscriber.usecase import BatchSubscriber
from faststream.security import BaseSecurity, SASLOAuthBearer, SASLPlaintext, SASLScram256, SASLScram512

from schemas.subscriptions import FOLLOWED, SUBSCRIPTIONS, Subscription
from shared.kafka.client import connection_options, group_options
from shared.kafka.errors import KafkaUnavailable
from shared.membership.declared import PublicSpecification, document, written_for_others
from shared.process.service import Service
from shared.process.settings import Settings

Batch = tuple[ConsumerRecord, ...]


class Cycle(Protocol):
    """What a stage does for its subscriber. From `begin` on nothing raises: a failure is in `ended`."""

    @property
    def group(self) -> str:
        """The consumer group."""

    @property
    def topics(self) -> tuple[str, ...]:
        """What it subscribes to."""

    @property
    def max_records(self) -> int:
        """The most records of one batch."""

    @property
    def listener(self) -> ConsumerRebalanceListener:
        """Is told of rebalances."""

    @property
    def ended(self) -> "asyncio.Future[None]":
        """Done when the stage cannot go on, with the reason."""

    async def begin(self) -> None:
        """Called before the consumer is made. May raise."""

    async def next_batch(self, consumer: AIOKafkaConsumer) -> Batch:
        """Poll. An empty batch is not handed on."""

    async def on_batch(self, records: Batch) -> None:
        """Decide, write and commit."""

    async def drain(self) -> None:
        """Finish what is in hand and commit; nothing is decided after it."""

    async def leave(self) -> None:
        """Called before the consumer is stopped, drained or not."""

    async def end(self) -> None:
        """Called after the consumer was stopped."""


class StageSubscriber(BatchSubscriber):
    """FastStream runs the loop and owns the consumer; the stage polls, decides and commits."""

    def __init__(self, cycle: Cycle, declaration: "_Declaration") -> None:
        super().__init__(*declaration, batch_timeout_ms=1, max_records=cycle.max_records)
        self._cycle: Final = cycle

    @property
    def ended(self) -> "asyncio.Future[None]":
        return self._cycle.ended

    async def start(self) -> None:
        await self._cycle.begin()
        await super().start()

    def get_msg(self, consumer: AIOKafkaConsumer) -> Coroutine[Any, Any, Batch]:
        return self._cycle.next_batch(consumer)

    def consume_one(self, msg: Batch) -> Coroutine[Any, Any, None]:
        return self._cycle.on_batch(msg)

    async def drain(self) -> None:
        await self._cycle.drain()

    async def stop(self) -> None:
        await self._cycle.leave()
        with contextlib.suppress(KafkaError):
            await super().stop()
        await self._cycle.end()


class DeclaredSubscriber(BatchSubscriber):
    """Says what is read. FastStream makes no consumer for it."""

    def __init__(self, declaration: "_Declaration") -> None:
        super().__init__(*declaration, batch_timeout_ms=1, max_records=None)

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""


class OwnCycle(DeclaredSubscriber):
    """Its loop is its own: `run` makes the consumer and returns when the service is asked to stop."""

    def __init__(self, run: Callable[[], Awaitable[None]], declaration: "_Declaration") -> None:
        super().__init__(declaration)
        self._run: Final = run
        self._running: asyncio.Future[None] | None = None

    @property
    def ended(self) -> "asyncio.Future[None]":
        if self._running is None:
            raise RuntimeError("the application has not been started")
        return self._running

    async def start(self) -> None:
        self._running = asyncio.ensure_future(self._run())

    async def drain(self) -> None:
        await asyncio.wait([self.ended])

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)


_Declaration = tuple[KafkaSubscriberConfig, PublicSpecification, CallsCollection[Any]]


class GatewayBroker(KafkaBroker):
    """FastStream's broker with this project's security and defaults. It makes no topics and no producer."""

    def __init__(self, settings: Settings) -> None:
        self._settings: Final = settings
        super().__init__(
            settings.kafka_bootstrap_servers.split(","),
            security=_security(settings),
            sasl_oauth_token_provider=connection_options(settings).get("sasl_oauth_token_provider"),
            request_timeout_ms=settings.kafka_request_timeout_ms,
            graceful_timeout=15,
            consumer_only=True,
            allow_auto_create_topics=False,
            apply_types=False,
            log_level=logging.DEBUG,
            logger=logging.getLogger("faststream"),
        )

    def stage(self, cycle: Cycle) -> StageSubscriber:
        """The subscriber of a stage."""
        options = group_options(self._settings, cycle.group)
        options["partition_assignment_strategy"] = (RangePartitionAssignor,)
        declared = self._declare(cycle.group, cycle.topics, _described(cycle.group), options, cycle.listener)
        subscriber = StageSubscriber(cycle, declared)
        subscriber(cycle.on_batch)
        self._register(subscriber)
        return subscriber

    def own_cycle(self, subscription: Subscription, run: Callable[[], Awaitable[None]]) -> OwnCycle:
        """The subscriber of a service with a loop of its own."""
        subscriber = OwnCycle(run, self._declare(subscription.group, subscription.topics, subscription.description))
        self._register(subscriber)
        return subscriber

    def declare(self, subscription: Subscription) -> None:
        """Declare what is read in another process, for the AsyncAPI document alone."""
        declared = self._declare(subscription.group, subscription.topics, subscription.description)
        self._register(DeclaredSubscriber(declared))

    def declare_publishers(self, services: Iterable[str]) -> None:
        """What `services` write for programs of others. It is written with producers of ours, many records at once."""
        for topic in written_for_others(services):
            self.publisher(topic.name, title=topic.name, description=topic.summary, schema=topic.model)

    def _declare(
        self,
        group: str,
        topics: Sequence[str],
        description: str,
        options: dict[str, Any] | None = None,
        listener: ConsumerRebalanceListener | None = None,
    ) -> _Declaration:
        config: Any = self.config
        calls = CallsCollection[Any]()
        names = [DeclaredTopic(topic) for topic in topics]
        connection = {name: value for name, value in (options or {}).items() if name != "group_id"}
        reading = KafkaSubscriberConfig(
            topics=names,
            group_id=group,
            connection_args=connection,
            listener=listener,
            no_reply=True,
            _outer_config=config,
            _ack_policy=AckPolicy.MANUAL,
        )
        told = KafkaSubscriberSpecificationConfig(topics=names, title_=None, description_=description)
        return reading, PublicSpecification(config, told, calls), calls

    def _register(self, subscriber: BatchSubscriber) -> None:
        """Enter a subscriber, as `KafkaBroker.subscriber` does with those that it makes itself."""
        super(KafkaRegistrator, self).subscriber(subscriber)


class Application(FastStream):
    """A service as a FastStream application; `lifespan` opens what it needs and adds its work.

    `FastStream.run` would take the signals and look ten times a second whether to go on. The service has its signals
    already, so the application is started and stopped here.
    """

    def __init__(
        self,
        service: Service,
        lifespan: "Callable[[Application], contextlib.AbstractAsyncContextManager[None]]",
    ) -> None:
        self.service: Final = service
        self._work: Final[list[StageSubscriber | OwnCycle]] = []
        self.kafka: Final = GatewayBroker(service.settings)
        self.kafka.declare_publishers([service.name])
        super().__init__(self.kafka, logger=None, lifespan=lambda: lifespan(self))

    def add(self, cycle: Cycle) -> None:
        """Add a stage."""
        self._work.append(self.kafka.stage(cycle))

    def add_own_cycle(self, subscription: Subscription, run: Callable[[], Awaitable[None]]) -> None:
        """Add a loop that is not FastStream's."""
        self._work.append(self.kafka.own_cycle(subscription, run))

    async def serve(self) -> None:
        """Run until the service is asked to stop or a part of its work has ended; then all parts drain.

        Raises what a part raised. When it is cancelled, nothing is drained.
        """
        async with self.lifespan_context():
            try:
                await self._start()
                await self._first_end()
                self.service.stopping.set()
                await asyncio.gather(*(part.drain() for part in self._work))
            finally:
                await self.stop()
            self._raise_failure()

    async def _start(self) -> None:
        try:
            await self.start()
        except KafkaError as error:
            raise KafkaUnavailable(f"Kafka does not answer: {error}") from error

    async def _first_end(self) -> None:
        stopping = asyncio.ensure_future(self.service.stopping.wait())
        ends: list[asyncio.Future[Any]] = [stopping, *(part.ended for part in self._work)]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()

    def _raise_failure(self) -> None:
        errors = [part.ended.exception() for part in self._work if part.ended.done()]
        for error in filter(None, errors):
            raise error


def public_document(settings: Settings) -> dict[str, Any]:
    """The AsyncAPI 3 document of the public topics: what all services read and write there."""
    broker = GatewayBroker(settings)
    for subscription in (*SUBSCRIPTIONS, *FOLLOWED):
        broker.declare(subscription)
    broker.declare_publishers({subscription.service for subscription in SUBSCRIPTIONS})
    return document(broker)


def _described(group: str) -> str:
    return next((s.description for s in SUBSCRIPTIONS if s.group == group), "")


def _security(settings: Settings) -> BaseSecurity | None:
    """The cluster's security in FastStream's words."""
    options = connection_options(settings)
    use_ssl = "SSL" in settings.kafka_security_protocol
    context = options.get("ssl_context")
    if settings.kafka_security_protocol.startswith("SASL"):
        if settings.kafka_sasl_mechanism == "OAUTHBEARER":
            return SASLOAuthBearer(use_ssl=use_ssl, ssl_context=context)
        kinds = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
        return kinds[settings.kafka_sasl_mechanism](
            username=settings.kafka_sasl_username or "",
            password=settings.kafka_sasl_password or "",
            use_ssl=use_ssl,
            ssl_context=context,
        )
    return BaseSecurity(ssl_context=context, use_ssl=True) if use_ssl else None
