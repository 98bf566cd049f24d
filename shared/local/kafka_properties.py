"""Pure: the configuration of the embedded broker: one node, broker and controller in one process, for one machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class BrokerPlace:
    """Where the embedded broker listens (loopback, by port) and keeps its data (`log_dir`)."""

    host: str
    port: int
    controller_port: int
    log_dir: PurePath


def server_properties(place: BrokerPlace) -> Mapping[str, str]:
    """The properties of `server.properties`, in the order they are written.

    Raises ValueError when `log_dir` has a comma: Kafka would read two directories.
    """
    if "," in str(place.log_dir):
        raise ValueError(f"Kafka cannot keep its data in {place.log_dir}: choose a directory without a comma.")
    return {**_node(place), **_internal_topics(), **_laptop()}


def render_properties(properties: Mapping[str, str]) -> str:
    """The text of a Java properties file: Latin-1, so anything else, and the backslash, is written as an escape."""
    return "".join(f"{key}={_escaped(value)}\n" for key, value in properties.items())


def _escaped(value: str) -> str:
    units = value.encode("utf-16-be")
    codes = [int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2)]
    return "".join(chr(code) if 0x20 < code < 0x7F and code != 0x5C else f"\\u{code:04x}" for code in codes)


def _node(place: BrokerPlace) -> dict[str, str]:
    broker = f"PLAINTEXT://{place.host}:{place.port}"
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{place.host}:{place.controller_port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "listeners": f"{broker},CONTROLLER://{place.host}:{place.controller_port}",
        "advertised.listeners": broker,
        "log.dirs": str(place.log_dir),
    }


def _internal_topics() -> dict[str, str]:
    """Kafka's own topics: one replica, and few partitions, because each of them costs start-up time and files."""
    return {
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "offsets.retention.minutes": str(30 * 24 * 60),
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "4",
    }


def _laptop() -> dict[str, str]:
    return {
        "default.replication.factor": "1",
        "num.partitions": "4",
        # a topic is created by `smsgw`, with its retention and partitions, or not at all
        "auto.create.topics.enable": "false",
        # a group of one machine is complete at once; the default makes every first member wait 3 s
        "group.initial.rebalance.delay.ms": "0",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "num.recovery.threads.per.data.dir": "2",
        # the default of 128 MiB is a quarter of the heap; 16 MiB hold 700,000 keys in one pass
        "log.cleaner.dedupe.buffer.size": str(16 * MIB),
        "log.cleaner.io.buffer.size": str(256 * 1024),
        "log.segment.bytes": str(128 * MIB),
        # preallocated for every segment of every partition; 1 MiB indexes more than one segment
        "log.index.size.max.bytes": str(MIB),
        # the default writes a record and syncs the disk twice a second, for followers: a third of the idle CPU
        "metadata.max.idle.interval.ms": "0",
        # a process that stopped in a transaction holds up every reader until it is aborted; the default is to look for
        # such ones every ten seconds
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "2000",
        # after kill -9 the controller refuses the broker's next life for as long as it holds the old one alive
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "1000",
    }
