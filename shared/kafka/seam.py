"""Edge: every private name of aiokafka that this project uses, and every place where its behaviour is replaced.

aiokafka 0.14 has no public way to do what stands here. Nothing outside this module touches a private name of it (an
architecture test). `PRIVATE_NAMES` lists them all; `install` puts the replacements in place, once a process and before
its first client, and refuses to where a new version of aiokafka has lost a name. What each replacement does on a real
broker has its own test.
"""

import asyncio
import dis
import importlib
import inspect
import math
import random
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition, client
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.consumer import consumer as consumers
from aiokafka.consumer import fetcher
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import ProduceRequest

from shared.kafka.bounded_fetch import BoundedFetcher, BoundedRecords, KeptRecords
from shared.kafka.refusals import refusal_of

PRIVATE_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "aiokafka.client": ("create_conn",),
    "aiokafka.client:AIOKafkaClient": ("bootstrap", "fetch_all_metadata", "set_topics", "_topics"),
    "aiokafka.admin:AIOKafkaAdminClient": ("_client", "_send_request", "find_coordinator"),
    "aiokafka.consumer:AIOKafkaConsumer": ("_client", "_coordinator", "_fetcher", "_subscription", "_group_id"),
    "aiokafka.consumer.consumer": ("Fetcher",),
    "aiokafka.consumer.fetcher": ("FetchResult", "MemoryRecords", "PartitionRecords", "READ_COMMITTED"),
    "aiokafka.consumer.fetcher:Fetcher": (
        "_closed", "_create_fetch_waiter", "_fetch_max_wait_ms", "_fetch_min_bytes", "_fetch_waiters", "_loop",
        "_notify", "_prefetch_backoff", "_proc_fetch_request", "_records", "_subscriptions", "_wait_consume_future",
        "fetched_records",
    ),
    "aiokafka.consumer.fetcher:FetchResult": (
        "_partition_records", "_update_position", "check_assignment", "has_more",
    ),
    "aiokafka.consumer.fetcher:PartitionRecords": (
        "_aborted_producers", "_check_crcs", "_consume_aborted_up_to", "_contains_abort_marker", "_isolation_level",
        "_records_iterator", "_unpack_records", "next_fetch_offset",
    ),
    "aiokafka.consumer.group_coordinator:GroupCoordinator": (
        "_do_heartbeat", "_group_instance_id", "_group_subscription", "check_errors", "generation", "request_rejoin",
    ),
    "aiokafka.consumer.subscription_state:SubscriptionState": ("reassignment_in_progress", "subscription"),
    "aiokafka.consumer.subscription_state:Assignment": ("state_value",),
    "aiokafka.consumer.subscription_state:TopicPartitionState": ("has_valid_position", "position"),
    "aiokafka.producer:AIOKafkaProducer": ("_message_accumulator", "_txn_manager"),
    "aiokafka.producer.message_accumulator:MessageAccumulator": ("_batch_ttl",),
    "aiokafka.producer.transaction_manager:TransactionManager": ("set_pid_and_epoch",),
    "aiokafka.record.default_records:_DefaultRecordBatchPy": ("_buffer",),
}  # fmt: skip
"""The private names by module, or by `module:Class`: attributes of the class, of its instances, or of what it is made
with."""


class SeamBroken(Exception):
    """The replacements are not in place, or cannot be: this version of aiokafka lacks a name that is used here."""


def missing_names() -> list[str]:
    """The names of `PRIVATE_NAMES` that the installed aiokafka does not have, each as `module:Class.name`."""
    return [f"{place}.{name}" for place, names in PRIVATE_NAMES.items() for name in names if not _has(place, name)]


def _has(place: str, name: str) -> bool:
    module_name, _, class_name = place.partition(":")
    module = importlib.import_module(module_name)
    if not class_name:
        return hasattr(module, name)
    owner = getattr(module, class_name, None)
    return owner is not None and bool(hasattr(owner, name) or _is_set_in(owner, name))


def _is_set_in(owner: type, name: str) -> bool:
    """Whether the class sets the attribute when it makes an instance."""
    return any(
        instruction.opname == "STORE_ATTR" and instruction.argval == name
        for kind in owner.__mro__[:-1]
        if inspect.isfunction(made := vars(kind).get("__init__"))
        for instruction in dis.get_instructions(made)
    )


_installed = False


def install() -> None:
    """Put the replacements in place, for every client of this process. Raises `SeamBroken`. A second call does nothing.

    * What was fetched is unpacked within bounds, and what cannot be read stops nothing (`shared.kafka.bounded_fetch`).
    * The first connection of a client is closed when its start is cancelled or fails (aiokafka forgets it).
    """
    global _installed
    if _installed:
        return
    if missing := missing_names():
        raise SeamBroken(f"this version of aiokafka lacks {', '.join(missing)} (see shared/kafka/seam.py)")
    fetcher.MemoryRecords = KeptRecords
    fetcher.PartitionRecords = BoundedRecords
    consumers.Fetcher = BoundedFetcher
    client.create_conn = _create_conn
    client.AIOKafkaClient.bootstrap = _bootstrap_or_close
    _installed = True


def check_installed() -> None:
    """Raise `SeamBroken` unless `install` was called: a process without it would work until the first odd record."""
    if not _installed:
        raise SeamBroken("call shared.kafka.seam.install() before the first client")


# -- metadata -------------------------------------------------------------------------------------------------------


async def all_partitions(consumer: AIOKafkaConsumer) -> dict[str, list[int]]:
    """The partitions of every topic, by metadata fetched now; a consumer's own view may be older than a new topic."""
    cluster = await consumer._client.fetch_all_metadata()
    return {topic: sorted(cluster.partitions_for_topic(topic) or ()) for topic in cluster.topics()}


async def all_metadata(kafka: client.AIOKafkaClient) -> Any:
    """What a broker says now of all topics (`aiokafka.cluster.ClusterMetadata`), whatever the client knows of them.

    Raises `KafkaError` when nobody answers.
    """
    return await kafka.fetch_all_metadata()


async def know_topics(consumer: AIOKafkaConsumer, topics: Iterable[str]) -> None:
    """Have a consumer without a group know `topics` before it is asked about their partitions: one round trip.

    aiokafka learns of them one by one otherwise, a tenth of a second each (its retry), also within one question about
    many. Topics that are not there stay unknown.
    """
    kafka = consumer._client
    missing = {topic for topic in topics if not kafka.cluster.partitions_for_topic(topic)}
    if missing:
        await kafka.set_topics(kafka._topics | missing)


async def cluster_id(admin: AIOKafkaAdminClient) -> str:
    """The id of the cluster that answers, without a word about its topics (`describe_cluster` asks for all of them)."""
    response = await admin._send_request(MetadataRequest([]))
    return str(response.cluster_id)


def ask_who_answers(admin: AIOKafkaAdminClient) -> None:
    """Have a started admin client ask another broker where one does not answer. aiokafka asks any one of those that it
    has heard of, and gives up: while a dead one is still listed, every third question of three brokers fails.
    """
    send, kafka = admin._send_request, admin._client

    async def asked(request: Any, node_id: int | None = None) -> Any:
        if node_id is not None:
            return await send(request, node_id)
        nodes = [broker.nodeId for broker in kafka.cluster.brokers()]
        for other in random.sample(nodes, len(nodes)):
            if await kafka.ready(other):
                return await send(request, other)
        return await send(request, None)

    admin._send_request = asked


async def ask_coordinator(admin: AIOKafkaAdminClient, group: str, request: Any) -> Any:
    """The answer of the group's coordinator to a request that the admin client has no method for."""
    return await admin._send_request(request, await admin.find_coordinator(group))


async def ask_broker(admin: AIOKafkaAdminClient, node_id: int, request: Any) -> Any:
    """The answer of one broker to a request that the admin client has no method for."""
    return await admin._send_request(request, node_id)


def group_of(consumer: AIOKafkaConsumer) -> str:
    """The consumer's group."""
    return str(consumer._group_id)


# -- membership -----------------------------------------------------------------------------------------------------


def rebalancing(consumer: AIOKafkaConsumer) -> bool:
    """Whether a rebalance is under way, from before its revoke callback until after its assignment.

    A poll would wait for its end now. A caller that holds what the revoke callback waits for must ask before it polls,
    and await nothing in between; else both wait for ever.
    """
    under_way: bool = consumer._subscription.reassignment_in_progress
    return under_way


def group_generation(consumer: AIOKafkaConsumer) -> int:
    """The group's generation that this member is in."""
    return int(consumer._coordinator.generation)


def is_unknown_to_group(consumer: AIOKafkaConsumer) -> bool:
    """The group has said that it does not know this member: aiokafka has reset its generation."""
    return group_generation(consumer) == int(OffsetCommitRequest.DEFAULT_GENERATION_ID)


def check_group_errors(consumer: AIOKafkaConsumer) -> None:
    """Raise the `KafkaError` that the group's coordinator has told, if any; otherwise only polls tell it."""
    consumer._coordinator.check_errors()


def become_dynamic(consumer: AIOKafkaConsumer) -> None:
    """Make a static member dynamic, so that its `stop` tells the group: its partitions are taken over at once.

    Without it the group waits for the session timeout, which is what a restart wants and a removal does not. One that
    never started is nothing to the group.
    """
    if consumer._coordinator is not None:
        consumer._coordinator._group_instance_id = None


def rejoin_if_blind(consumer: AIOKafkaConsumer) -> bool:
    """Whether this member must join once more, which is then under way. Ask once, at the first assignment.

    A static member that comes back is given its old assignment as a follower, even if it leads the group: it would
    never learn of topics made meanwhile, nor would anybody watch for new partitions. A second join has the broker
    begin a rebalance if this member leads, and costs a round trip if it does not.
    """
    coordinator = consumer._coordinator
    if coordinator._group_instance_id is None or coordinator._group_subscription is not None:
        return False
    coordinator.request_rejoin()
    return True


SendHeartbeat = Callable[[], Awaitable[bool]]
"""Sends one heartbeat, and says whether the group acknowledged it."""


def replace_heartbeat(
    consumer: AIOKafkaConsumer, replacement: Callable[[SendHeartbeat], SendHeartbeat]
) -> SendHeartbeat:
    """Have every heartbeat of a started consumer sent by `replacement(the one that sends it)`, and return that."""
    sending = replacement(consumer._coordinator._do_heartbeat)
    consumer._coordinator._do_heartbeat = sending
    return sending


# -- fetching -------------------------------------------------------------------------------------------------------


def position_of(consumer: AIOKafkaConsumer, tp: TopicPartition) -> int | None:
    """The offset that is read next, transaction markers passed over; None while it is not known.

    aiokafka's own `position` waits then.
    """
    subscription = consumer._subscription.subscription
    assignment = subscription.assignment if subscription is not None else None
    state = assignment.state_value(tp) if assignment is not None else None
    return int(state.position) if state is not None and state.has_valid_position else None


def set_fetch_limits(consumer: AIOKafkaConsumer, *, wait_ms: int, least_bytes: int) -> None:
    """How long the broker may collect records, or until it has so many bytes (as they are stored, compressed), before
    it answers a fetch. Takes effect with the next one.
    """
    consumer._fetcher._fetch_min_bytes = least_bytes
    consumer._fetcher._fetch_max_wait_ms = wait_ms


def set_reader_patience(consumer: AIOKafkaConsumer, patience_s: float) -> None:
    """Have the next fetch wait so long at most until what the last one brought was read (aiokafka: 0.1 s)."""
    consumer._fetcher._prefetch_backoff = patience_s


def fetched_partitions(consumer: AIOKafkaConsumer) -> list[TopicPartition]:
    """Those of which something was fetched and not read yet."""
    return list(consumer._fetcher._records)


def next_fetched(consumer: AIOKafkaConsumer) -> "asyncio.Future[None]":
    """A future that is done when something more was fetched."""
    future: asyncio.Future[None] = consumer._fetcher._create_fetch_waiter()
    return future


Fetch = Callable[[Any, Any, Any], Awaitable[bool]]
"""Sends one fetch: (assignment, broker, request), and says whether it brought something."""


def replace_fetch(consumer: AIOKafkaConsumer, replacement: Callable[[Fetch], Fetch]) -> None:
    """Have every fetch of a started consumer sent by `replacement(the one that sends it)`."""
    consumer._fetcher._proc_fetch_request = replacement(consumer._fetcher._proc_fetch_request)


# -- producing ------------------------------------------------------------------------------------------------------


class _NotSent(KafkaError):  # type: ignore[misc]  # aiokafka is untyped here
    """A request was not written to the socket: the check before it said no. aiokafka does not try again."""


def set_producer_id(producer: AIOKafkaProducer, producer_id: int, epoch: int) -> None:
    """Have an idempotent producer that is not started yet write as this producer id; aiokafka would ask for another."""
    producer._txn_manager.set_pid_and_epoch(producer_id, epoch)


def never_expire(producer: AIOKafkaProducer) -> None:
    """Have a producer that is not started yet wait for a partition without a leader as long as it takes. aiokafka gives
    up after the request timeout then, and never for too few replicas.
    """
    producer._message_accumulator._batch_ttl = math.inf


def guard_produce(producer: AIOKafkaProducer, may_write: Callable[[], bool]) -> None:
    """Have a started producer ask `may_write` right before the octets of a produce request go to the socket, the first
    time and at every retry. Where it says no, the batches fail with a `KafkaError` that is not tried again.
    """
    client = producer.client
    send = client.send

    async def guarded(node_id: int, request: Any, **options: Any) -> Any:
        if isinstance(request, ProduceRequest):
            await client.ready(node_id)  # connecting may take long: ask behind it
            if not may_write():
                raise _NotSent("no acknowledged heartbeat of late: another process may own the work")
        return await send(node_id, request, **options)

    client.send = guarded


# -- replacement: the first connection of a client --------------------------------------------------------------------
#
# It belongs to nobody before the cluster has answered over it: whoever cancels `start` just then and calls `stop`, as
# one should, leaves it open. Take-overs and restores are cancelled at any moment.

_connect = client.create_conn
_bootstrap = client.AIOKafkaClient.bootstrap


class _Bootstrap:
    """One that is under way, and the connections it has made; None once it is over."""

    def __init__(self) -> None:
        self.connections: list[Any] | None = []
        self.refusal = ""


_under_way: ContextVar[_Bootstrap | None] = ContextVar("kafka-bootstrap", default=None)


async def _create_conn(*place: Any, **options: Any) -> Any:
    bootstrap = _under_way.get()
    try:
        connection = await _connect(*place, **options)
    except (OSError, KafkaError) as error:
        if bootstrap is not None:
            bootstrap.refusal = refusal_of(error) or bootstrap.refusal
        raise
    if bootstrap is not None and bootstrap.connections is not None:
        bootstrap.connections.append(connection)
    return connection


async def _bootstrap_or_close(kafka: Any) -> None:
    bootstrap = _Bootstrap()
    token = _under_way.set(bootstrap)
    try:
        await _bootstrap(kafka)
    except BaseException as error:
        for connection in bootstrap.connections or ():
            connection.close()
        if isinstance(error, KafkaConnectionError) and bootstrap.refusal:
            raise KafkaConnectionError(bootstrap.refusal) from error
        raise
    finally:
        bootstrap.connections = None  # tasks that it started have a copy of this context
        _under_way.reset(token)
