"""Edge: consumers, the batch producer and committed offsets, with the settings that lose and reorder nothing.

Why each setting stands here: the default acknowledgement policies lose records, `publish_batch` ignores keys, and the
cost of a hop is per request, not per record. Records are therefore packed into one batch per partition by us.
"""

import asyncio
import itertools
import math
import ssl
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, ProducerFenced
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.structs import OffsetAndMetadata

from schemas.groups import static_member
from shared.kafka.bootstrap import close_what_bootstrap_leaves
from shared.kafka.committed_offsets import UnstableOffsets, stable_offsets
from shared.kafka.header_names import tolerate_any_header_name
from shared.kafka.records import Out, partition_of
from shared.process.clock import monotonic_s
from shared.process.settings import Settings

SESSION_TIMEOUT_MS: Final = 10_000
HEARTBEAT_MS: Final = 1_000
REBALANCE_TIMEOUT_MS: Final = 60_000
MAX_POLL_INTERVAL_MS: Final = 24 * 3_600_000
"""aiokafka leaves the group, in silence, when nobody has polled for this long (5 minutes by default). A long restore
does not poll, and must keep its partitions; whether a loop still advances is what `Service.progress` tells."""
TRANSACTION_TIMEOUT_MS: Final = SESSION_TIMEOUT_MS
"""A zombie's transaction must be over when its successor begins."""

ASK_AGAIN_S: Final = 0.1
"""After a heartbeat that was not acknowledged, e.g. because the coordinator has moved."""

SETTLED_WITHIN_S: Final = 3 * TRANSACTION_TIMEOUT_MS / 1000
"""By default a broker looks only every ten seconds for transactions that have timed out."""

BATCH_BYTES: Final = 262_144
REQUEST_BYTES: Final = 4 << 20
FETCH_WAIT_MS: Final = 1000
TAKEN_OVER_WITHIN_S: Final = 1.0

FRESH_FOR_S: Final = SESSION_TIMEOUT_MS / 2000
"""How old an acknowledged heartbeat may be for a decision: half of the session timeout."""

tolerate_any_header_name()  # whoever reads a topic that clients write comes by here
close_what_bootstrap_leaves()  # and so does every client

EARLIEST: Final = "earliest"
_NO_HEADERS: Final[list[tuple[str, bytes]]] = []


class KafkaUnavailable(Exception):
    """No broker answered. Retryable by whoever started us: exit code 3."""


class MissingTopics(Exception):
    """Topics that only the CLI creates are not there. Not retryable before somebody creates them: exit code 1."""


class FatalKafkaError(Exception):
    """This process may not go on (fenced, evicted, a produce whose end is unknown): it exits, the restart rebuilds."""


def connection_options(settings: Settings) -> dict[str, Any]:
    """What every client needs to reach the cluster."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
        "request_timeout_ms": settings.kafka_request_timeout_ms,
    }
    if "SSL" in settings.kafka_security_protocol:
        options["ssl_context"] = ssl.create_default_context(cafile=settings.kafka_ssl_cafile)
    if settings.kafka_security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": settings.kafka_sasl_password,
        }
    return options


def group_options(settings: Settings, group: str) -> dict[str, Any]:
    """Options of a consumer in a group: manual commits, static membership where the process has an instance id.

    `auto_offset_reset` is none: a partition without a committed offset is begun at its beginning by `poll`, and an
    offset out of range is an error that stops the process, never a reset.
    """
    options: dict[str, Any] = {
        "group_id": group,
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "isolation_level": "read_committed",
        "session_timeout_ms": SESSION_TIMEOUT_MS,
        "heartbeat_interval_ms": HEARTBEAT_MS,
        "rebalance_timeout_ms": REBALANCE_TIMEOUT_MS,
        "max_poll_interval_ms": MAX_POLL_INTERVAL_MS,
        "fetch_max_wait_ms": FETCH_WAIT_MS,
    }
    if settings.static:
        options["group_instance_id"] = static_member(group, settings.instance)
    return options


def make_consumer(settings: Settings, *topics: str, **options: Any) -> AIOKafkaConsumer:
    """A consumer of `topics`, not started. Options win over the defaults; add `group_options` for a group."""
    base = connection_options(settings) | {"isolation_level": "read_committed", "enable_auto_commit": False}
    return AIOKafkaConsumer(*topics, **(base | options))


@asynccontextmanager
async def consuming(settings: Settings, *topics: str, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """A started consumer (see `make_consumer`); closed whatever happens, also when it cannot start or is cancelled."""
    consumer = make_consumer(settings, *topics, **options)
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


@asynccontextmanager
async def administering(settings: Settings, **options: Any) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client; closed whatever happens, also when it cannot start or is cancelled."""
    admin = AIOKafkaAdminClient(**(connection_options(settings) | options))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def partitions_of(consumer: AIOKafkaConsumer, *topics: str) -> list[TopicPartition]:
    """All partitions of `topics`, in order, by metadata fetched now. Raises `MissingTopics` for one that is not there.

    A consumer's own view may be older than a topic that was just created.
    """
    cluster = await consumer._client.fetch_all_metadata()
    if missing := [topic for topic in topics if not cluster.partitions_for_topic(topic)]:
        raise MissingTopics(f"topics are missing: {', '.join(missing)}; `smsgw topics create` makes them")
    return [TopicPartition(topic, p) for topic in topics for p in sorted(cluster.partitions_for_topic(topic))]


async def know_topics(consumer: AIOKafkaConsumer, topics: Iterable[str]) -> None:
    """Have a consumer without a group know `topics` before it is asked about their partitions: one round trip.

    aiokafka learns of them one by one otherwise, a tenth of a second each (its retry), also within one question about
    many. Topics that are not there stay unknown.
    """
    client = consumer._client
    missing = {topic for topic in topics if not client.cluster.partitions_for_topic(topic)}
    if missing:
        await client.set_topics(client._topics | missing)


async def poll(
    consumer: AIOKafkaConsumer, *partitions: TopicPartition, timeout_ms: int, max_records: int | None = None
) -> dict[TopicPartition, list[ConsumerRecord]]:
    """`getmany` that begins new partitions at their beginning and turns every Kafka error into `FatalKafkaError`.

    Do not cancel it: a cancelled getmany leaks aiokafka's idle-time bookkeeping.
    """
    try:
        found: dict[TopicPartition, list[ConsumerRecord]] = await consumer.getmany(
            *partitions, timeout_ms=timeout_ms, max_records=max_records
        )
    except NoOffsetForPartitionError as error:
        await consumer.seek_to_beginning(*(tp for tp in error.args if isinstance(tp, TopicPartition)))
        return {}
    except KafkaError as error:
        raise FatalKafkaError(f"the consumer of group {consumer._group_id} was stopped by Kafka: {error!r}") from error
    return found


def rebalancing(consumer: AIOKafkaConsumer) -> bool:
    """Whether a rebalance is under way, from before its revoke callback until after its assignment.

    A poll would wait for its end now. Who polls while holding what the revoke callback waits for must ask first, with
    nothing awaited in between, or both wait for ever.
    """
    under_way: bool = consumer._subscription.reassignment_in_progress
    return under_way


def position_of(consumer: AIOKafkaConsumer, tp: TopicPartition) -> int | None:
    """The offset that is read next, transaction markers passed over; None while it is not known.

    aiokafka's own `position` waits then.
    """
    subscription = consumer._subscription.subscription
    assignment = subscription.assignment if subscription is not None else None
    state = assignment.state_value(tp) if assignment is not None else None
    return int(state.position) if state is not None and state.has_valid_position else None


def set_collecting(consumer: AIOKafkaConsumer, collect_ms: int, collect_bytes: int = 1) -> None:
    """How long the broker may collect records, or until it has so many bytes (as they are stored, compressed), before
    it answers a fetch; 0 ms = answers at the first record.

    Takes effect with the next fetch. A loop sets 0 when it finds nothing, so that an idle process waits in long polls.
    """
    fetcher = consumer._fetcher
    fetcher._fetch_min_bytes = collect_bytes if collect_ms else 1
    fetcher._fetch_max_wait_ms = collect_ms or FETCH_WAIT_MS


def wait_for_the_reader(consumer: AIOKafkaConsumer) -> None:
    """Have a started consumer's next fetch wait, up to `TAKEN_OVER_WITHIN_S`, until what the last one brought was read.

    aiokafka waits a tenth of a second, which is over when a process is busy or has a backlog. The next fetch then
    can leave out every partition with traffic, and be a long poll on the quiet ones, whose end they all wait for.
    """
    consumer._fetcher._prefetch_backoff = TAKEN_OVER_WITHIN_S


def leave_for_good(consumer: AIOKafkaConsumer) -> None:
    """Make a static member dynamic, so that its `stop` tells the group: its partitions are taken over at once.

    Without it the group waits for the session timeout, which is what a restart wants and a removal does not. One that
    never started is nothing to the group.
    """
    if consumer._coordinator is not None:
        consumer._coordinator._group_instance_id = None


def joined_blindly(consumer: AIOKafkaConsumer) -> bool:
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


class HeartbeatWatch:
    """Knows when the last heartbeat was sent that the group coordinator acknowledged (aiokafka does not tell).

    Nothing else counts. That an assignment was taken up says nothing: the group's answer may have lain in the socket of
    a process that slept, while the work went to another. Nor does what was acknowledged before the group said that it
    does not know this member.
    """

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        """`consumer` was started. Before the first acknowledged heartbeat the age is infinite."""
        self._last_s = -math.inf
        self._coordinator = coordinator = consumer._coordinator
        inner = coordinator._do_heartbeat

        async def observed() -> bool:
            sent_s = monotonic_s()
            ok: bool = await inner()
            if ok:
                # of its sending: an answer that lay in the socket while this process slept says nothing of now
                self._last_s = max(self._last_s, sent_s)
            elif coordinator.generation == OffsetCommitRequest.DEFAULT_GENERATION_ID:
                self._last_s = -math.inf  # the group does not know this member: aiokafka has reset its generation
            return ok

        coordinator._do_heartbeat = observed

    @property
    def age_s(self) -> float:
        return monotonic_s() - self._last_s

    @property
    def fresh(self) -> bool:
        """Half of the session timeout is not over yet."""
        return self.age_s <= FRESH_FOR_S

    async def ask(self) -> None:
        """Send a heartbeat now, not when the next is due: a second after an assignment. It may be refused, or fail.

        Raises `FatalKafkaError` where the group may not be used at all.
        """
        try:
            await self._coordinator._do_heartbeat()
        except KafkaError as error:
            raise FatalKafkaError(f"the group's coordinator takes no heartbeat: {error!r}") from error

    async def until_fresh(self) -> None:
        """Ask until a heartbeat is acknowledged, if none was lately. It has no limit of its own: a loop that waits here
        for too long is found dead by what watches it.
        """
        while not self.fresh:
            await self.ask()
            if not self.fresh:
                await asyncio.sleep(ASK_AGAIN_S)

    def check(self) -> None:
        """Raise `FatalKafkaError` where a decision could be one after a sleep."""
        if not self.fresh:
            raise FatalKafkaError(f"no acknowledged heartbeat for {self.age_s:.1f} s: another process may own the work")


class BatchProducer:
    """An idempotent producer (acks=all, zstd) that packs records into one batch per partition by itself.

    With `transactional_id` every record belongs to a transaction: `begin`, `send_all`, `add_offsets`, `commit`.
    Not for concurrent use of transactions.
    """

    def __init__(self, settings: Settings, *, client_id: str, transactional_id: str | None = None) -> None:
        options = connection_options(settings) | {
            "client_id": client_id,
            "acks": "all",
            "enable_idempotence": True,
            "compression_type": "zstd",
            "linger_ms": 0,
            "max_batch_size": BATCH_BYTES,
            "max_request_size": REQUEST_BYTES,
        }
        if transactional_id:
            options |= {"transactional_id": transactional_id, "transaction_timeout_ms": TRANSACTION_TIMEOUT_MS}
        self._options = options
        self._producer: AIOKafkaProducer | None = None
        self._counts: dict[str, int] = {}
        self._turn = itertools.count()

    async def start(self) -> None:
        """Connect; raises `KafkaUnavailable`."""
        producer = AIOKafkaProducer(**self._options)
        try:
            await producer.start()
        except BaseException as error:
            await producer.stop()
            if isinstance(error, KafkaError):
                raise KafkaUnavailable(f"Kafka does not answer: {error}") from error
            raise
        self._producer = producer

    async def stop(self) -> None:
        """Flush and close; nothing happens when it was not started."""
        if self._producer is not None:
            await self._producer.stop()

    @property
    def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise FatalKafkaError("the producer was not started")
        return self._producer

    async def partition_count(self, topic: str) -> int:
        """How many partitions `topic` has, remembered; see `forget_counts`."""
        count = self._counts.get(topic)
        if count is None:
            count = len(await self._started.partitions_for(topic))
            self._counts[topic] = count
        return count

    def forget_counts(self) -> None:
        """Ask again: a configuration may have added partitions."""
        self._counts.clear()

    async def send_all(self, outs: Iterable[Out]) -> dict[tuple[str, int], int]:
        """Produce all of `outs`, in order within a partition; returns when every one is acknowledged.

        Returns the offset of the first record of each (topic, partition); where nobody else writes to the partition
        the others follow it without a gap. Raises `FatalKafkaError` when the end of any of them is unknown: the caller
        must not commit and must not go on.
        """
        by_place: dict[tuple[str, int], list[Out]] = defaultdict(list)
        counts = self._counts
        for out in outs:
            place = out.partition
            if place is None:
                count = counts.get(out.topic) or await self.partition_count(out.topic)
                place = partition_of(out.key, count) if out.key is not None else next(self._turn) % count
            by_place[out.topic, place].append(out)
        if not by_place:
            return {}
        try:
            return await self._send_batches(by_place)
        except ProducerFenced as error:
            raise FatalKafkaError("another process took over this one's transactions (fenced)") from error
        except KafkaError as error:
            raise FatalKafkaError(f"a produce request ended unknown: {error!r}") from error

    async def _send_batches(self, by_place: Mapping[tuple[str, int], Sequence[Out]]) -> dict[tuple[str, int], int]:
        producer = self._started
        places: list[tuple[str, int]] = []
        acks: list[asyncio.Future[Any]] = []
        for (topic, partition), records in by_place.items():
            batch = producer.create_batch()
            for out in records:
                headers = list(out.headers) if out.headers else _NO_HEADERS
                if batch.append(key=out.key, value=out.value, timestamp=None, headers=headers) is None:
                    places.append((topic, partition))
                    acks.append(await producer.send_batch(batch, topic, partition=partition))
                    batch = producer.create_batch()
                    batch.append(key=out.key, value=out.value, timestamp=None, headers=headers)
            batch.close()
            places.append((topic, partition))
            acks.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.wait(acks)
        first: dict[tuple[str, int], int] = {}
        for place, ack in zip(places, acks, strict=True):
            first.setdefault(place, int(ack.result().offset))
        return first

    async def begin(self) -> None:
        await self._guarded(self._started.begin_transaction())

    async def add_offsets(self, offsets: Mapping[TopicPartition, tuple[int, str]], group: str) -> None:
        """Make consumed offsets (with their metadata text) part of the open transaction."""
        if offsets:
            marks = {tp: OffsetAndMetadata(offset, text) for tp, (offset, text) in offsets.items()}
            await self._guarded(self._started.send_offsets_to_transaction(marks, group))

    async def commit(self) -> None:
        await self._guarded(self._started.commit_transaction())

    async def abort(self) -> None:
        await self._guarded(self._started.abort_transaction())

    async def _guarded(self, step: Any) -> None:
        try:
            await step
        except KafkaError as error:
            raise FatalKafkaError(f"a transaction failed: {error!r}") from error


async def committed_with_metadata(settings: Settings, group: str) -> dict[TopicPartition, tuple[int, str]]:
    """What `group` has committed: offset and metadata text, by partition (`consumer.committed()` hides the text).

    Waits for transactions that are about to commit offsets of the group. Raises `KafkaUnavailable` when they do not end
    although they must have timed out.
    """
    async with administering(settings) as admin:
        try:
            return await stable_offsets(admin, group, SETTLED_WITHIN_S)
        except UnstableOffsets as error:
            raise KafkaUnavailable(str(error)) from error


async def read_range(
    settings: Settings,
    topic: str,
    partition: int,
    start: int | None = None,
    end: int | None = None,
    *,
    progress: Callable[[], None] = lambda: None,
) -> AsyncGenerator[list[ConsumerRecord], None]:
    """The committed records of one partition from offset `start` (None: its beginning) to before `end` (None: its end
    now), in batches. Offsets that were compacted, or are transaction markers, are not there; it still comes to an end.

    `progress` is called whenever it has come further, and only then: who waits for it sees a read that hangs. Use it
    under `aclosing`: who stops early, or is cancelled between two batches, would leave the connection open.
    """
    tp = TopicPartition(topic, partition)
    async with consuming(settings, auto_offset_reset=EARLIEST, max_partition_fetch_bytes=1 << 20) as consumer:
        consumer.assign([tp])
        first = (await consumer.beginning_offsets([tp]))[tp]
        last = (await consumer.end_offsets([tp]))[tp] if end is None else end
        position = first if start is None else max(start, first)
        consumer.seek(tp, position)
        while position < last:
            batch = (await consumer.getmany(tp, timeout_ms=200, max_records=2000)).get(tp, [])
            before, position = position, await consumer.position(tp)
            if position > before:
                progress()
            if inside := [record for record in batch if record.offset < last]:
                yield inside
