"""Pure: the configuration of the embedded broker: broker and controller in one process, alone or one of a few nodes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Quorum:
    """The nodes of one cluster on one machine: node n (from 1) has the n-th of the controllers' ports. `cluster_id` is
    a UUID in URL-safe base64, the same for all."""

    cluster_id: str
    controller_ports: tuple[int, ...]

    def voters(self, host: str) -> str:
        return ",".join(f"{n}@{host}:{port}" for n, port in enumerate(self.controller_ports, start=1))

    @property
    def copies(self) -> int:
        """Replicas of Kafka's own topics."""
        return min(3, len(self.controller_ports))


@dataclass(frozen=True, slots=True)
class BrokerPlace:
    """Where an embedded broker listens (loopback, by port) and keeps its data (`log_dir`). `quorum` None: alone."""

    host: str
    port: int
    controller_port: int
    log_dir: PurePath
    quorum: Quorum | None = None


def server_properties(place: BrokerPlace) -> Mapping[str, str]:
    """The properties of `server.properties`, in the order they are written.

    Raises ValueError when `log_dir` has a comma: Kafka would read two directories.
    """
    if "," in str(place.log_dir):
        raise ValueError(f"Kafka cannot keep its data in {place.log_dir}: choose a directory without a comma.")
    if place.quorum is None:
        return {**_node(place), **_internal_topics(1), **_laptop(), **_ALONE}
    return {**_node(place), **_internal_topics(place.quorum.copies), **_laptop(), **_OF_SEVERAL}


def render_properties(properties: Mapping[str, str]) -> str:
    """The text of a Java properties file: Latin-1, so anything else, and the backslash, is written as an escape."""
    return "".join(f"{key}={_escaped(value)}\n" for key, value in properties.items())


def _escaped(value: str) -> str:
    units = value.encode("utf-16-be")
    codes = [int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2)]
    return "".join(chr(code) if 0x20 < code < 0x7F and code != 0x5C else f"\\u{code:04x}" for code in codes)


def _node(place: BrokerPlace) -> dict[str, str]:
    broker = f"PLAINTEXT://{place.host}:{place.port}"
    quorum = place.quorum or Quorum("", (place.controller_port,))
    return {
        "process.roles": "broker,controller",
        "node.id": str(quorum.controller_ports.index(place.controller_port) + 1),
        "controller.quorum.voters": quorum.voters(place.host),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "listeners": f"{broker},CONTROLLER://{place.host}:{place.controller_port}",
        "advertised.listeners": broker,
        "log.dirs": str(place.log_dir),
    }


def _internal_topics(copies: int) -> dict[str, str]:
    """Kafka's own topics: few partitions, because each of them costs start-up time and files."""
    least = str(max(1, copies - 1))
    return {
        "min.insync.replicas": least,
        "offsets.topic.replication.factor": str(copies),
        "offsets.topic.num.partitions": "4",
        "offsets.retention.minutes": str(30 * 24 * 60),
        "transaction.state.log.replication.factor": str(copies),
        "transaction.state.log.min.isr": least,
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": str(copies),
        "share.coordinator.state.topic.min.isr": least,
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
        # a process that stopped in a transaction holds up every reader until it is aborted; the default is to look for
        # such ones every ten seconds
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "2000",
        "broker.heartbeat.interval.ms": "1000",
    }


_ALONE = {
    # the default writes a record and syncs the disk twice a second, for followers: a third of the idle CPU
    "metadata.max.idle.interval.ms": "0",
    # after kill -9 the controller refuses the broker's next life for as long as it holds the old one alive
    "broker.session.timeout.ms": "3000",
}
_OF_SEVERAL = {
    # a machine that several brokers share stands still for a second or two: that is no reason to elect anybody
    "broker.session.timeout.ms": "6000",
    "controller.quorum.fetch.timeout.ms": "5000",
    "controller.quorum.election.timeout.ms": "2000",
}
