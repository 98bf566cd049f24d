"""Edge: a Kubernetes cluster of its own on one machine: a control plane and three real nodes, from packages alone.

Processes and namespaces, no virtual machines: containerd, kubelet and kube-proxy for each node, pods from images that
are imported, CoreDNS, and two local volumes on the first node. Nothing of it is left at the end.
"""

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.cluster.control_plane import READY_S, control_plane
from tests.cluster.kubectl import Cluster
from tests.cluster.network import NodePlace, node_network, set_cable
from tests.cluster.node import RUN, end_pods, start_node, start_runtime
from tests.cluster.processes import NamespacedProcesses
from tests.containers.go_programs import CONTROL_PLANE, NODE, go_program
from tests.containers.machine import CGROUPS, CannotHere, home, need_packages, remove_remains, run, say

NODES: Final = tuple(NodePlace(number) for number in (1, 2, 3))
FIRST: Final = NODES[0]
COREDNS_IMAGE: Final = "smsgw.test/coredns:1"
_HERE: Final = Path(__file__).parent
_PACKAGES: Final = {
    "containerd": "containerd", "runc": "runc", "etcd": "etcd-server", "iptables": "iptables", "ipset": "ipset",
    "conntrack": "conntrack", "/usr/lib/cni/bridge": "containernetworking-plugins",
}  # fmt: skip
_INSTEAD: Final = "name a cluster in KUBECONFIG"


def prepare() -> None:
    """Packages and programs, before anything is started. Raises CannotHere."""
    need_packages(_PACKAGES, _INSTEAD)
    if not (CGROUPS / "memory").is_dir():
        raise CannotHere(f"Three nodes on one machine are made with cgroup v1 only, and this has v2: {_INSTEAD}.")
    for name in (*CONTROL_PLANE, *NODE, "kubectl", "coredns", "pause"):
        go_program(name)


@contextlib.contextmanager
def own_cluster(images: Mapping[str, Path]) -> Iterator[Cluster]:
    """Ready, with all its nodes, while the block runs. `images`: node name, or `every` -> archive of `docker save`."""
    place = home() / "cluster"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    RUN.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.callback(_remove, place, _pod_namespaces())
        stack.enter_context(node_network(NODES))
        run([_HERE / "keys.sh", place / "keys", FIRST.address, *(node.name for node in NODES)])
        # pods are ended when nothing starts them again, and what runs them is still there
        runtimes = stack.enter_context(NamespacedProcesses(place / "logs"))
        for node in NODES:
            stack.callback(end_pods, node)
            mine = [images[name] for name in ("every", node.name) if name in images]
            start_runtime(place, node, runtimes, mine)
        processes = stack.enter_context(NamespacedProcesses(place / "logs"))
        cluster = control_plane(place, FIRST, processes, (_cut, _mend))
        for node in NODES:
            start_node(place, node, FIRST, processes)
        for node in NODES:
            cluster.until_ready(f"node/{node.name}", READY_S)
        _add_volumes(place, cluster)
        cluster.apply((_HERE / "coredns.yaml").read_text())
        cluster("--namespace", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=90s")
        say(f"a cluster of {len(NODES)} nodes is ready")
        yield cluster


def _add_volumes(place: Path, cluster: Cluster) -> None:
    """What dynamic provisioning would do: for the claims of Kafka and ClickHouse, on the first node."""
    for name, size in (("volume-1", "4Gi"), ("volume-2", "8Gi")):
        folder = place / name
        folder.mkdir()
        text = (_HERE / "volume.yaml").read_text()
        for word, value in {"NAME": name, "SIZE": size, "FOLDER": str(folder), "NODE": FIRST.name}.items():
            text = text.replace(f"${word}", value)
        cluster.apply(text)


def _cut(name: str) -> None:
    (node,) = [one for one in NODES if one.name == name]
    set_cable(node, FIRST, "down")


def _mend(name: str) -> None:
    (node,) = [one for one in NODES if one.name == name]
    set_cable(node, FIRST, "up")


def _pod_namespaces() -> set[str]:
    listed = run(["ip", "netns", "list"]).stdout.splitlines()
    return {name for name, *_ in map(str.split, listed) if name.startswith("cni-")}


def _remove(place: Path, others: set[str]) -> None:
    """All that is left when everything has ended; `others`: namespaces of pods that were there before."""
    for name in _pod_namespaces() - others:
        run(["ip", "netns", "delete", name])
    for node in NODES:
        remove_remains((place, RUN), node.namespace)
    shutil.rmtree(RUN, ignore_errors=True)
    shutil.rmtree(place, ignore_errors=True)
