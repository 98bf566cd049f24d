"""Edge: a Kubernetes cluster of its own on one machine: a control plane and three real nodes, from packages alone.

Processes and namespaces, no virtual machines: containerd, kubelet and kube-proxy for each node, pods from images that
are imported, CoreDNS, and two local volumes on the first node. Nothing of it is left at the end.
"""

import base64
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from shared.process.clock import monotonic_s
from tests.cluster.kubectl import Cluster
from tests.cluster.network import NodePlace, node_network, set_cable
from tests.cluster.processes import NamespacedProcesses
from tests.containers.go_programs import CONTROL_PLANE, NODE, go_program
from tests.containers.machine import CGROUPS, CannotHere, home, need_packages, pause, remove_remains, run, say

NODES: Final = tuple(NodePlace(number) for number in (1, 2, 3))
FIRST: Final = NODES[0]
PAUSE_IMAGE: Final = "smsgw.test/pause:1"
COREDNS_IMAGE: Final = "smsgw.test/coredns:1"
_HERE: Final = Path(__file__).parent
_PORT: Final = 6443
_CLUSTER_PODS: Final = "10.244.0.0/16"
_RUN: Final = Path("/run/smsgw-k8s")
_READY_S: Final = 120.0
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
    _RUN.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.callback(_remove, place)
        stack.enter_context(node_network(NODES))
        processes = stack.enter_context(NamespacedProcesses(place / "logs"))
        run([_HERE / "keys.sh", place / "keys", FIRST.address, *(node.name for node in NODES)])
        cluster = _control_plane(place, processes)
        for node in NODES:
            stack.callback(_end_pods, node)
            _start_node(
                place, node, processes, [images["every"], *([images[node.name]] if node.name in images else [])]
            )
        for node in NODES:
            cluster.until_ready(f"node/{node.name}", _READY_S)
        _add_volumes(place, cluster)
        cluster.apply((_HERE / "coredns.yaml").read_text())
        cluster("--namespace", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=90s")
        say(f"a cluster of {len(NODES)} nodes is ready")
        yield cluster


def _control_plane(place: Path, processes: NamespacedProcesses) -> Cluster:
    keys, api = place / "keys", f"https://{FIRST.address}:{_PORT}"
    admin = _kubeconfig(place, "admin", api)
    etcd = "http://127.0.0.1:2379"
    processes.start("etcd", FIRST.namespace, [
        "etcd", "--data-dir", place / "etcd", "--listen-client-urls", etcd, "--advertise-client-urls", etcd,
        "--unsafe-no-fsync",
    ])  # fmt: skip
    processes.start("kube-apiserver", FIRST.namespace, [
        go_program("kube-apiserver"), f"--etcd-servers={etcd}", f"--secure-port={_PORT}",
        f"--advertise-address={FIRST.address}", "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=Node,RBAC", "--allow-privileged=true", f"--client-ca-file={keys}/ca.crt",
        f"--tls-cert-file={keys}/apiserver.crt", f"--tls-private-key-file={keys}/apiserver.key",
        f"--kubelet-client-certificate={keys}/admin.crt", f"--kubelet-client-key={keys}/admin.key",
        "--kubelet-preferred-address-types=InternalIP", "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={keys}/sa.key", f"--service-account-signing-key-file={keys}/sa.key",
        f"--requestheader-client-ca-file={keys}/ca.crt", "--requestheader-allowed-names=front-proxy",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User", f"--proxy-client-cert-file={keys}/front-proxy.crt",
        f"--proxy-client-key-file={keys}/front-proxy.key", f"--cert-dir={place}/api",
    ])  # fmt: skip
    kubectl = ("nsenter", f"--net=/run/netns/{FIRST.namespace}", str(go_program("kubectl")))
    cluster = Cluster(kubectl, os.environ | {"KUBECONFIG": str(admin)}, _cut, _mend)
    until_s = monotonic_s() + _READY_S
    while not cluster.answers():
        processes.check()
        assert monotonic_s() < until_s, f"the API does not answer\n{processes.tail('kube-apiserver')}"
        pause(0.3)
    processes.start("kube-controller-manager", FIRST.namespace, [
        go_program("kube-controller-manager"), f"--kubeconfig={admin}", "--leader-elect=false",
        "--bind-address=127.0.0.1", f"--root-ca-file={keys}/ca.crt",
        f"--service-account-private-key-file={keys}/sa.key", "--use-service-account-credentials",
        "--horizontal-pod-autoscaler-sync-period=2s", f"--cert-dir={place}/manager",
    ])  # fmt: skip
    processes.start("kube-scheduler", FIRST.namespace, [
        go_program("kube-scheduler"), f"--kubeconfig={admin}", "--leader-elect=false", "--bind-address=127.0.0.1",
        f"--cert-dir={place}/scheduler",
    ])  # fmt: skip
    return cluster


def _kubeconfig(place: Path, user: str, api: str) -> Path:
    def data(name: str) -> str:
        return base64.b64encode((place / "keys" / name).read_bytes()).decode()

    cluster = {"server": api, "certificate-authority-data": data("ca.crt")}
    who = {"client-certificate-data": data(f"{user}.crt"), "client-key-data": data(f"{user}.key")}
    file = place / f"{user}.kubeconfig"
    content = {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "u", "user": who}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }  # fmt: skip
    file.write_text(json.dumps(content))
    return file


def _start_node(place: Path, node: NodePlace, processes: NamespacedProcesses, images: list[Path]) -> None:
    mine, socket = place / node.name, _socket(node)
    (mine / "cni").mkdir(parents=True)
    socket.parent.mkdir(exist_ok=True)
    (mine / "cni" / "10-bridge.conflist").write_text(json.dumps(_pod_network(node, mine)))
    (mine / "containerd.toml").write_text(_containerd(mine, socket))
    processes.start(f"containerd-{node.name}", node.namespace, ["containerd", "-c", mine / "containerd.toml"])
    until_s = monotonic_s() + _READY_S
    while subprocess.run([*_ctr(node), "version"], capture_output=True, check=False).returncode:
        processes.check()
        assert monotonic_s() < until_s, processes.tail(f"containerd-{node.name}")
        pause(0.2)
    for archive in images:
        run([*_ctr(node), "images", "import", archive])
    for controller in CGROUPS.iterdir():
        if controller.is_dir() and controller.name != "unified":
            group = controller / node.namespace
            group.mkdir(exist_ok=True)
            if controller.name == "cpuset":
                for name in ("cpuset.cpus", "cpuset.mems"):
                    (group / name).write_text((controller / name).read_text())
    (mine / "kubelet.yaml").write_text(yaml.safe_dump(_kubelet(place, node, socket)))
    account = _kubeconfig(place, node.name, f"https://{FIRST.address}:{_PORT}")
    processes.start(f"kubelet-{node.name}", node.namespace, [
        go_program("kubelet"), f"--config={mine}/kubelet.yaml", f"--kubeconfig={account}", f"--root-dir={mine}/kubelet",
        f"--hostname-override={node.name}", f"--node-ip={node.address}", f"--cert-dir={mine}/kubelet-keys",
    ])  # fmt: skip
    processes.start(f"kube-proxy-{node.name}", node.namespace, [
        go_program("kube-proxy"), f"--kubeconfig={place}/admin.kubeconfig", f"--hostname-override={node.name}",
        f"--cluster-cidr={_CLUSTER_PODS}", "--proxy-mode=iptables", "--conntrack-max-per-core=0", "--conntrack-min=0",
        "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0", "--oom-score-adj=0",
        "--healthz-bind-address=127.0.0.1:10256", "--metrics-bind-address=127.0.0.1:10249",
    ])  # fmt: skip


def _pod_network(node: NodePlace, mine: Path) -> dict[str, Any]:
    addresses = {
        "type": "host-local", "ranges": [[{"subnet": node.pods}]], "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(mine / "addresses"),
    }  # fmt: skip
    bridge = {"type": "bridge", "bridge": "pods", "isGateway": True, "hairpinMode": True, "ipam": addresses}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, ports]}


def _containerd(mine: Path, socket: Path) -> str:
    return f"""version = 2
root = "{mine}/containerd"
state = "{socket.parent}/state"
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "{PAUSE_IMAGE}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{mine}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""


def _kubelet(place: Path, node: NodePlace, socket: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False}, "webhook": {"enabled": False},
            "x509": {"clientCAFile": f"{place}/keys/ca.crt"},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "address": node.address, "healthzBindAddress": "127.0.0.1",
        "cgroupDriver": "cgroupfs", "cgroupRoot": f"/{node.namespace}", "failCgroupV1": False,
        "failSwapOn": False, "oomScoreAdj": 0, "podLogsDir": f"{place}/{node.name}/pod-logs",
        "clusterDNS": ["10.96.0.10"], "clusterDomain": "cluster.local", "resolvConf": "/dev/null",
        "containerRuntimeEndpoint": f"unix://{socket}",
        "imageMinimumGCAge": "24h", "imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "200Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
    }  # fmt: skip


def _socket(node: NodePlace) -> Path:
    return _RUN / node.name / "containerd.sock"


def _ctr(node: NodePlace) -> list[str]:
    return ["ctr", "--address", str(_socket(node)), "--namespace", "k8s.io"]


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


def _end_pods(node: NodePlace) -> None:
    """Before its containerd ends: pods outlive that."""
    for kind, command in (("tasks", ["tasks", "delete", "--force"]), ("containers", ["containers", "delete"])):
        listed = subprocess.run([*_ctr(node), kind, "ls", "-q"], capture_output=True, text=True, check=False)
        for one in listed.stdout.split():
            subprocess.run([*_ctr(node), *command, one], capture_output=True, check=False)


def _remove(place: Path) -> None:
    """All that is left when everything has ended."""
    for node in NODES:
        remove_remains((place, _RUN), node.namespace)
    shutil.rmtree(_RUN, ignore_errors=True)
    shutil.rmtree(place, ignore_errors=True)
