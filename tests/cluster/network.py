"""Edge: the network of a cluster of several nodes on one machine: a namespace each, joined by a bridge, no way out."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.containers.machine import run

BRIDGE: Final = "nodes"
_PACKETS_OF_BRIDGES: Final = "net.bridge.bridge-nf-call-iptables=1"


@dataclass(frozen=True, slots=True)
class NodePlace:
    """Node `number` (from 1); the first also has the bridge, and the control plane."""

    number: int

    @property
    def name(self) -> str:
        return f"n{self.number}"

    @property
    def namespace(self) -> str:
        return f"smsgw-k8s-{self.number}"

    @property
    def address(self) -> str:
        return f"10.250.0.{self.number}"

    @property
    def pods(self) -> str:
        return f"10.244.{self.number}.0/24"

    @property
    def cable(self) -> str:
        """The end of its link in the namespace of the first node."""
        return f"to-{self.name}"


@contextlib.contextmanager
def node_network(nodes: Sequence[NodePlace]) -> Iterator[None]:
    try:
        for node in nodes:
            _make(node, nodes[0])
        for one in nodes:
            for other in nodes:
                if one is not other:
                    _ip(one, "route", "replace", other.pods, "via", other.address)
        yield
    finally:
        for node in nodes:
            if Path(f"/run/netns/{node.namespace}").exists():
                run(["ip", "netns", "delete", node.namespace])


def set_cable(node: NodePlace, first: NodePlace, state: str) -> None:
    """`down` cuts a node off from all others, `up` mends it."""
    _ip(first, "link", "set", node.cable, state)


def _make(node: NodePlace, first: NodePlace) -> None:
    run(["ip", "netns", "add", node.namespace])
    _ip(node, "link", "set", "lo", "up")
    if node is first:
        _ip(node, "link", "add", BRIDGE, "type", "bridge")
        _ip(node, "addr", "add", f"{node.address}/24", "dev", BRIDGE)
        _ip(node, "link", "set", BRIDGE, "up")
        # goes nowhere; kubelet and kube-proxy want to see one
        _ip(node, "route", "add", "default", "via", "10.250.0.254", "dev", BRIDGE)
    else:
        _ip(first, "link", "add", node.cable, "type", "veth", "peer", "name", "eth0", "netns", node.namespace)
        _ip(first, "link", "set", node.cable, "master", BRIDGE)
        _ip(first, "link", "set", node.cable, "up")
        _ip(node, "addr", "add", f"{node.address}/24", "dev", "eth0")
        _ip(node, "link", "set", "eth0", "up")
        _ip(node, "route", "add", "default", "via", first.address)
    inside = ["nsenter", f"--net=/run/netns/{node.namespace}"]
    run([*inside, "sysctl", "-qw", "net.ipv4.ip_forward=1"])
    with contextlib.suppress(AssertionError):  # where the kernel has no such switch, bridges are not filtered
        run([*inside, "sysctl", "-qw", _PACKETS_OF_BRIDGES])


def _ip(node: NodePlace, *arguments: str) -> None:
    run(["ip", "-n", node.namespace, *arguments])
