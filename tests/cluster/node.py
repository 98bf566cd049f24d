"""Edge: one node of a cluster of its own: containerd, kubelet and kube-proxy in its network namespace."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from shared.process.clock import monotonic_s
from tests.cluster.control_plane import PORT, READY_S, kubeconfig
from tests.cluster.network import NodePlace
from tests.cluster.processes import NamespacedProcesses
from tests.containers.go_programs import go_program
from tests.containers.machine import CGROUPS, pause, run

PAUSE_IMAGE: Final = "smsgw.test/pause:1"
RUN: Final = Path("/run/smsgw-k8s")
_PODS: Final = "10.244.0.0/16"


def start_runtime(place: Path, node: NodePlace, runtimes: NamespacedProcesses, images: Sequence[Path]) -> None:
    """containerd, which knows the images of these archives."""
    mine, socket = place / node.name, _socket(node)
    (mine / "cni").mkdir(parents=True)
    socket.parent.mkdir(exist_ok=True)
    (mine / "cni" / "10-bridge.conflist").write_text(json.dumps(_pod_network(node, mine)))
    (mine / "containerd.toml").write_text(_containerd(mine, socket))
    runtimes.start(f"containerd-{node.name}", node.namespace, ["containerd", "-c", mine / "containerd.toml"])
    until_s = monotonic_s() + READY_S
    while subprocess.run([*_ctr(node), "version"], capture_output=True, check=False).returncode:
        runtimes.check()
        assert monotonic_s() < until_s, runtimes.tail(f"containerd-{node.name}")
        pause(0.2)
    for archive in images:
        run([*_ctr(node), "images", "import", archive])


def start_node(place: Path, node: NodePlace, first: NodePlace, processes: NamespacedProcesses) -> None:
    """kubelet and kube-proxy; the node registers itself with the control plane on `first`."""
    mine = place / node.name
    _make_control_groups(node)
    (mine / "kubelet.yaml").write_text(yaml.safe_dump(_kubelet(place, node)))
    account = kubeconfig(place, node.name, f"https://{first.address}:{PORT}")
    processes.start(f"kubelet-{node.name}", node.namespace, [
        go_program("kubelet"), f"--config={mine}/kubelet.yaml", f"--kubeconfig={account}", f"--root-dir={mine}/kubelet",
        f"--hostname-override={node.name}", f"--node-ip={node.address}", f"--cert-dir={mine}/kubelet-keys",
    ])  # fmt: skip
    processes.start(f"kube-proxy-{node.name}", node.namespace, [
        go_program("kube-proxy"), f"--kubeconfig={place}/admin.kubeconfig", f"--hostname-override={node.name}",
        f"--cluster-cidr={_PODS}", "--proxy-mode=iptables", "--conntrack-max-per-core=0", "--conntrack-min=0",
        "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0", "--oom-score-adj=0",
        "--healthz-bind-address=127.0.0.1:10256", "--metrics-bind-address=127.0.0.1:10249",
    ])  # fmt: skip


def _make_control_groups(node: NodePlace) -> None:
    """One for the pods of the node, in every hierarchy of cgroup v1."""
    for controller in CGROUPS.iterdir():
        if controller.is_dir() and controller.name != "unified":
            group = controller / node.namespace
            group.mkdir(exist_ok=True)
            if controller.name == "cpuset":
                for name in ("cpuset.cpus", "cpuset.mems"):
                    (group / name).write_text((controller / name).read_text())


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


def _kubelet(place: Path, node: NodePlace) -> dict[str, Any]:
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
        "containerRuntimeEndpoint": f"unix://{_socket(node)}",
        "imageMinimumGCAge": "24h", "imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "200Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
    }  # fmt: skip


def _socket(node: NodePlace) -> Path:
    return RUN / node.name / "containerd.sock"


def _ctr(node: NodePlace) -> list[str]:
    return ["ctr", "--address", str(_socket(node)), "--namespace", "k8s.io"]


def end_pods(node: NodePlace) -> None:
    """Before its containerd ends: pods outlive that."""
    for kind, command in (("tasks", ["tasks", "delete", "--force"]), ("containers", ["containers", "delete"])):
        listed = subprocess.run([*_ctr(node), kind, "ls", "-q"], capture_output=True, text=True, check=False)
        for one in listed.stdout.split():
            subprocess.run([*_ctr(node), *command, one], capture_output=True, check=False)
