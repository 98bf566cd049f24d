"""Edge: etcd and the control plane of a cluster of its own, in the network namespace of the first node."""

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from shared.process.clock import monotonic_s
from tests.cluster.kubectl import Cluster
from tests.cluster.network import NodePlace
from tests.cluster.processes import NamespacedProcesses
from tests.containers.go_programs import go_program
from tests.containers.machine import pause

PORT: Final = 6443
READY_S: Final = 120.0
Cables = tuple[Callable[[str], None], Callable[[str], None]]


def control_plane(place: Path, first: NodePlace, processes: NamespacedProcesses, cables: Cables) -> Cluster:
    """Started and answering; its keys are in `place / "keys"`. `cables`: cuts a node off, and mends that."""
    keys, api = place / "keys", f"https://{first.address}:{PORT}"
    admin = kubeconfig(place, "admin", api)
    etcd = "http://127.0.0.1:2379"
    processes.start("etcd", first.namespace, [
        "etcd", "--data-dir", place / "etcd", "--listen-client-urls", etcd, "--advertise-client-urls", etcd,
        "--unsafe-no-fsync",
    ])  # fmt: skip
    processes.start("kube-apiserver", first.namespace, [
        go_program("kube-apiserver"), f"--etcd-servers={etcd}", f"--secure-port={PORT}",
        f"--advertise-address={first.address}", "--service-cluster-ip-range=10.96.0.0/16",
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
    kubectl = ("nsenter", f"--net=/run/netns/{first.namespace}", str(go_program("kubectl")))
    cluster = Cluster(kubectl, os.environ | {"KUBECONFIG": str(admin)}, *cables)
    until_s = monotonic_s() + READY_S
    while not cluster.answers():
        processes.check()
        assert monotonic_s() < until_s, f"the API does not answer\n{processes.tail('kube-apiserver')}"
        pause(0.3)
    processes.start("kube-controller-manager", first.namespace, [
        go_program("kube-controller-manager"), f"--kubeconfig={admin}", "--leader-elect=false",
        "--bind-address=127.0.0.1", f"--root-ca-file={keys}/ca.crt",
        f"--service-account-private-key-file={keys}/sa.key", "--use-service-account-credentials",
        "--horizontal-pod-autoscaler-sync-period=2s", f"--cert-dir={place}/manager",
    ])  # fmt: skip
    processes.start("kube-scheduler", first.namespace, [
        go_program("kube-scheduler"), f"--kubeconfig={admin}", "--leader-elect=false", "--bind-address=127.0.0.1",
        f"--cert-dir={place}/scheduler",
    ])  # fmt: skip
    return cluster


def kubeconfig(place: Path, user: str, api: str) -> Path:
    """A file for a user whose key and certificate are in `place / "keys"`."""

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
