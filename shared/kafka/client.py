"""Edge: clients of Kafka, with the settings that lose and reorder nothing."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from schemas.groups import static_member
from shared.kafka import seam
from shared.kafka.errors import FatalKafkaError, LostPosition, MissingTopics
from shared.kafka.oauth import tokens_of
from shared.kafka.positions import LostPlace, lost_position
from shared.process.settings import Settings

SESSION_TIMEOUT_MS: Final = 10_000
HEARTBEAT_MS: Final = 1_000
REBALANCE_TIMEOUT_MS: Final = 60_000
MAX_POLL_INTERVAL_MS: Final = 24 * 3_600_000
"""aiokafka leaves the group, in silence, when nobody has polled for this long (5 minutes by default). A long restore
does not poll, and must keep its partitions; whether a loop still advances is what `Service.progress` tells."""

FETCH_WAIT_MS: Final = 1000
FETCH_OCTETS_MAX: Final = 16 << 20
"""Of one answer, all partitions together, as they are stored; a single batch may be more."""
READ_WITHIN_S: Final = 1.0
EARLIEST: Final = "earliest"


def connection_options(settings: Settings) -> dict[str, Any]:
    """What every client needs to reach the cluster. Raises `SeamBroken` before `seam.install`."""
    seam.check_installed()
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
        "request_timeout_ms": settings.kafka_request_timeout_ms,
    }
    if "SSL" in settings.kafka_security_protocol:
        options["ssl_context"] = _tls(settings)
    if not settings.kafka_security_protocol.startswith("SASL"):
        return options
    options["sasl_mechanism"] = settings.kafka_sasl_mechanism
    if settings.kafka_sasl_mechanism == "OAUTHBEARER":
        options["sasl_oauth_token_provider"] = tokens_of(settings)
    else:
        options |= {
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": settings.kafka_sasl_password,
        }
    return options


def _tls(settings: Settings) -> ssl.SSLContext:
    """Whom we trust, and, where the brokers ask for it, who we are."""
    context = ssl.create_default_context(cafile=settings.kafka_ssl_cafile)
    if settings.kafka_ssl_certfile is not None:
        context.load_cert_chain(
            settings.kafka_ssl_certfile, settings.kafka_ssl_keyfile, lambda: settings.kafka_ssl_password or ""
        )
    return context


def group_options(settings: Settings, group: str) -> dict[str, Any]:
    """Options of a consumer in a group: manual commits, static membership where the process has an instance id.

    `auto_offset_reset` is `none`: an offset out of range is an error that stops the process, never a reset. Whether a
    partition without a committed offset may be begun is judged at the take-over (`shared.membership.beginnings`).
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
    base = connection_options(settings) | {
        "isolation_level": "read_committed",
        "enable_auto_commit": False,
        "fetch_max_bytes": FETCH_OCTETS_MAX,
    }
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
        seam.ask_who_answers(admin)
        yield admin
    finally:
        await admin.close()


async def partitions_of(consumer: AIOKafkaConsumer, *topics: str) -> list[TopicPartition]:
    """All partitions of `topics`, in order, by metadata fetched now. Raises `MissingTopics` for one that is not there.

    A consumer's own view may be older than a topic that was just created.
    """
    found = await seam.all_partitions(consumer)
    if missing := [topic for topic in topics if not found.get(topic)]:
        raise MissingTopics(f"topics are missing: {', '.join(missing)}; `smsgw topics create` makes them")
    return [TopicPartition(topic, p) for topic in topics for p in found[topic]]


async def poll(
    consumer: AIOKafkaConsumer, *partitions: TopicPartition, timeout_ms: int, max_records: int | None = None
) -> dict[TopicPartition, list[ConsumerRecord]]:
    """`getmany` that reads partitions without an offset from their beginning, so that they are there once it is known
    that they are new; nothing is decided before. Raises `LostPosition` where what was to be read next is deleted, and
    `FatalKafkaError` for every other Kafka error.

    Do not cancel it: a cancelled getmany leaks aiokafka's idle-time bookkeeping.
    """
    try:
        found: dict[TopicPartition, list[ConsumerRecord]] = await consumer.getmany(
            *partitions, timeout_ms=timeout_ms, max_records=max_records
        )
    except NoOffsetForPartitionError as error:
        await consumer.seek_to_beginning(*(tp for tp in error.args if isinstance(tp, TopicPartition)))
        return {}
    except OffsetOutOfRangeError as error:
        raise await _out_of_range(consumer, error) from error
    except KafkaError as error:
        raise FatalKafkaError(
            f"the consumer of group {seam.group_of(consumer)} was stopped by Kafka: {error!r}"
        ) from error
    return found


async def _out_of_range(consumer: AIOKafkaConsumer, error: OffsetOutOfRangeError) -> LostPosition:
    """Where nothing lies any more that was to be read."""
    wanted: dict[TopicPartition, int] = error.args[0] if error.args else {}
    begins = await consumer.beginning_offsets(list(wanted)) if wanted else {}
    lost = [LostPlace(tp, offset, begins[tp]) for tp, offset in sorted(wanted.items())]
    group = seam.group_of(consumer)
    return lost_position(group, lost) if lost else LostPosition(f"{group} has lost its place: {error!r}")


def set_collecting(consumer: AIOKafkaConsumer, collect_ms: int, collect_bytes: int = 1) -> None:
    """How long the broker may collect records, or until it has so many bytes (as they are stored, compressed), before
    it answers a fetch; 0 ms = answers at the first record.

    Takes effect with the next fetch. A loop sets 0 when it finds nothing, so that an idle process waits in long polls.
    """
    seam.set_fetch_limits(consumer, wait_ms=collect_ms or FETCH_WAIT_MS, least_bytes=collect_bytes if collect_ms else 1)


def wait_for_the_reader(consumer: AIOKafkaConsumer) -> None:
    """Have a started consumer's next fetch wait, up to `READ_WITHIN_S`, until what the last one brought was read.

    aiokafka waits a tenth of a second, which is over when a process is busy or has a backlog. The next fetch then
    can leave out every partition with traffic, and be a long poll on the quiet ones, whose end they all wait for.
    """
    seam.set_reader_patience(consumer, READ_WITHIN_S)
