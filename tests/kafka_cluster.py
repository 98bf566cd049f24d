"""Edge: three brokers on one machine, each of which can be killed and started again."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from shared.local.kafka import EmbeddedKafka, new_cluster_id
from shared.local.kafka_properties import Quorum
from shared.local.ports import free_port

NODES = 3
START_S = 180.0
"""Three JVMs and whatever else a machine of two cores does."""


class KafkaCluster:
    """`nodes[n]` is node n + 1: broker and controller in one process."""

    def __init__(self, place: Path) -> None:
        ports: list[int] = []
        for _ in range(2 * NODES):
            ports.append(free_port(*ports))
        quorum = Quorum(new_cluster_id(), tuple(ports[NODES:]))
        self.nodes = [
            EmbeddedKafka(place / f"node-{n + 1}", ports[n], ports[NODES + n], short_lived=True, quorum=quorum)
            for n in range(NODES)
        ]

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(node.bootstrap_servers for node in self.nodes)

    def start(self) -> None:
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait_for(START_S)

    def stop(self) -> None:
        for node in self.nodes:
            node.stop(timeout_s=0.0)  # nobody needs what is in it

    def kill(self, number: int) -> None:
        """`kill -9` of node `number` (from 1)."""
        node = self.nodes[number - 1]
        assert node.pid is not None
        os.kill(node.pid, signal.SIGKILL)
        node.stop()  # reaps it

    def start_again(self, number: int) -> None:
        node = self.nodes[number - 1]
        node.launch()
        node.wait_for(START_S)


@contextlib.contextmanager
def kafka_cluster(place: Path) -> Iterator[KafkaCluster]:
    cluster = KafkaCluster(place)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
