"""Edge: the third back end of the fixtures: Kafka and ClickHouse in containers (SMSGW_TEST_BACKEND=containers)."""

import contextlib
import os
from collections.abc import Iterator
from typing import Final, Literal

from shared.local.ports import free_port
from tests.containers.names import CLICKHOUSE, KAFKA

VARIABLE: Final = "SMSGW_TEST_BACKEND"
CLICKHOUSE_USER: Final = "smsgw"
CLICKHOUSE_PASSWORD: Final = "in-a-container"
BackEnd = Literal["embedded", "containers", "external"]


def back_end(address_variable: str) -> BackEnd:
    """What SMSGW_TEST_BACKEND chooses; without it an address that is given, else what is embedded.

    Raises ValueError for a word it does not know, and for `external` without an address.
    """
    given = bool(os.environ.get(address_variable))
    match os.environ.get(VARIABLE, "external" if given else "embedded"):
        case "external" if given:
            return "external"
        case "external":
            raise ValueError(f"{VARIABLE}=external needs an address in {address_variable}")
        case "embedded":
            return "embedded"
        case "containers":
            return "containers"
        case other:
            raise ValueError(f"{VARIABLE}={other!r}: embedded, containers or external")


@contextlib.contextmanager
def kafka_container() -> Iterator[str]:
    """`host:port` of one broker, as compose.yaml configures it but for its addresses."""
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    port = free_port()
    environment = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,INSIDE://:9094,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port},INSIDE://localhost:9094",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "INSIDE",  # or it would look for itself on a port of the host
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS": "2000",
    }
    container = DockerContainer(KAFKA).with_bind_ports(9092, port).with_envs(**environment)
    with container.waiting_for(LogMessageWaitStrategy("Kafka Server started")):
        yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def clickhouse_container() -> Iterator[str]:
    """Its `http://host:port`, for CLICKHOUSE_USER and its password."""
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import HttpWaitStrategy

    container = (
        DockerContainer(CLICKHOUSE)
        .with_exposed_ports(8123)
        .with_envs(
            CLICKHOUSE_USER=CLICKHOUSE_USER,
            CLICKHOUSE_PASSWORD=CLICKHOUSE_PASSWORD,
            CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT="1",
        )
    )
    with container.waiting_for(HttpWaitStrategy(8123, "/ping")) as running:
        yield f"http://{running.get_container_host_ip()}:{running.get_exposed_port(8123)}"
