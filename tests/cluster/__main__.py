"""Edge: `make test-k8s`: the overlay `dev` applied to a real cluster, and what operators do, under load and reconciled.

Exit codes: 0 all of it; 1 not; 77 this machine has no cluster and cannot be given one.
"""

import contextlib
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.cluster.kubectl import NAMESPACE, Cluster
from tests.cluster.node import PAUSE_IMAGE
from tests.cluster.own import COREDNS_IMAGE, FIRST, own_cluster, prepare
from tests.containers.engine import Engine, engine
from tests.containers.evidence import Load, Verdict, load
from tests.containers.go_programs import GoProgram, go_program, module_folder
from tests.containers.images import TOP, import_program, make_images
from tests.containers.machine import CannotHere, exit_code_of, home, say
from tests.containers.names import CLICKHOUSE, KAFKA, OURS
from tests.unit.deploy.manifests import FLOW

K8S: Final = TOP / "k8s"
OVERLAY: Final = K8S / "overlays" / "dev"
KEDA: Final = GoProgram("github.com/kedacore/keda/v2", "v2.20.2")
READY: Final = "--timeout=300s"
BETWEEN: Final = 200
"""Messages before, between and after what is done."""
CLAIMED: Final = 2 * (2 * 50 + 30)
"""What a binder that is killed may have claimed: two windows for each of its binds. See docs/guarantees.md."""
BINDS: Final = 2
"""The most of one connector: a node that is cut off cannot close what its binder has open at the SMSC."""
SCALED: Final = ("encoder", "throttler", "binder")


def stateful(service: str) -> str:
    return f"statefulset/smsgw-{service}"


def install(cluster: Cluster) -> None:
    """What README.md says to type, and everything ready."""
    cluster("apply", "--kustomize", str(OVERLAY))
    cluster.ours("wait", "--for=condition=complete", "job/smsgw-setup", READY)
    for kind in ("statefulset", "deployment"):
        cluster.ours("rollout", "status", kind, READY)
    say("the overlay dev is applied, everything is ready")
    sent = cluster.ours("exec", "smsgw-ingress-0", "--", "smsgw", "send", "+447700900123", "hello", "--wait", "30")
    say(f"sent one: {sent.strip().splitlines()[-1]}")


def validated(cluster: Cluster) -> None:
    """What dev leaves out, taken by the API server itself: the overlay for production and both ways to scale."""
    cluster("apply", "--filename", str(K8S / "base" / "namespace.yaml"))
    strictly = ("apply", "--dry-run=server", "--validate=strict")
    cluster.ours(*strictly, "--filename", str(K8S / "components" / "hpa" / "autoscalers.yaml"))
    if cluster.cut is None:
        return  # what is KEDA's is not ours to define in a cluster that was given
    cluster("apply", "--server-side", "--filename", str(module_folder(KEDA) / "config" / "crd" / "bases"))
    cluster("wait", "crd/scaledobjects.keda.sh", "--for=jsonpath={.status.acceptedNames.kind}=ScaledObject", READY)
    cluster(*strictly, "--kustomize", str(K8S / "overlays" / "production"))
    say("the API server takes the autoscalers, and the overlay production with KEDA's own definitions")


@contextlib.contextmanager
def traffic(cluster: Cluster) -> Iterator[Load]:
    """From a pod that none of what follows touches."""
    named = {
        source[kind]["name"]
        for one in cluster.objects("statefulset", "--selector", "app.kubernetes.io/component=encoder")
        for source in one["spec"]["template"]["spec"]["containers"][0]["envFrom"]
        for kind in source
    }
    text = (Path(__file__).with_name("traffic.yaml")).read_text()
    for word, stem in (("$SETTINGS", "smsgw-settings"), ("$SECRETS", "smsgw-secrets")):
        text = text.replace(word, next(name for name in named if name.startswith(stem)))
    cluster.apply(text)
    cluster.ours("wait", "pod/traffic", "--for=condition=Ready", READY)
    command = [*cluster.kubectl, "--namespace", NAMESPACE, "exec", "--stdin", "traffic", "--", "python", "-c"]
    simulator = ("exec", "deployment/smsgw-simulator", "--")
    with load(command, cluster.environment, lambda program: cluster.ours(*simulator, *program)) as running:
        yield running
    cluster.ours("delete", "pod", "traffic")


def kill_pods(cluster: Cluster, running: Load) -> None:
    """As a node that dies does it: no time to end. Each comes back under its own name."""
    for service in FLOW:
        cluster.ours("delete", "pod", f"smsgw-{service}-0", "--grace-period=0", "--force")
        cluster.ours("rollout", "status", stateful(service), READY)
        running.until_published(BETWEEN // 4)
    say(f"killed a pod of each of {', '.join(FLOW)}")


def update(cluster: Cluster, running: Load) -> None:
    """Every StatefulSet of ours at once, and the door."""
    names = [*map(stateful, FLOW), "deployment/smsgw-http-api"]
    cluster.ours("rollout", "restart", *names)
    for name in names:
        cluster.ours("rollout", "status", name, READY)
    running.until_published(BETWEEN)
    say("updated every service, one pod at a time")


def scale(cluster: Cluster, running: Load) -> None:
    for replicas in (3, 1):
        for service in SCALED:
            cluster.ours("scale", stateful(service), f"--replicas={replicas}")
        for service in SCALED:
            for count in ("replicas", "readyReplicas"):
                cluster.ours("wait", stateful(service), f"--for=jsonpath={{.status.{count}}}={replicas}", READY)
        running.until_published(BETWEEN)
        say(f"scaled {', '.join(SCALED)} to {replicas}")


def drain(cluster: Cluster, running: Load) -> None:
    node = _node_to_spare(cluster)
    if node is None:
        say("no node could be drained: all have what cannot be moved")
        return
    cluster("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=240s")
    running.until_published(BETWEEN)
    cluster("uncordon", node)
    say(f"drained {node} and gave it back")


def cut_off(cluster: Cluster, running: Load) -> None:
    """A node whose cable is out until the cluster has noticed, and mended."""
    node = _node_to_spare(cluster)
    if cluster.cut is None or cluster.mend is None or node is None:
        say("no node could be cut off")
        return
    cluster.cut(node)
    cluster("wait", f"node/{node}", "--for=condition=Ready=Unknown", READY)
    say(f"{node} was cut off, and the cluster has noticed")
    cluster.mend(node)
    cluster("wait", f"node/{node}", "--for=condition=Ready", READY)
    running.until_published(BETWEEN)
    say(f"{node} was mended")


def _node_to_spare(cluster: Cluster) -> str | None:
    """The one with most of our services, of those without Kafka, ClickHouse, the simulator and the traffic."""
    fixed, ours = set(), Counter[str]()
    for pod in cluster.objects("pod"):
        name, node = pod["metadata"]["name"], pod["spec"].get("nodeName", "")
        if name in ("kafka-0", "clickhouse-0", "traffic") or name.startswith("smsgw-simulator"):
            fixed.add(node)
        elif name in {f"smsgw-{service}-0" for service in FLOW}:
            ours[node] += 1
    return next((node for node, _ in ours.most_common() if node not in fixed), None)


STEPS: Final[Sequence[tuple[str, Callable[[Cluster, Load], None], int]]] = (
    ("pods killed", kill_pods, CLAIMED),
    ("rolling update", update, 0),
    ("scaled 1, 3, 1", scale, 0),
    ("a node cut off", cut_off, CLAIMED),
    ("a node drained", drain, 0),
)
"""What is done, and how many messages may be in doubt after it."""


def try_steps(cluster: Cluster) -> list[str]:
    """Each under a load of its own, reconciled; returns what is wrong."""
    wrong = []
    for title, do, unknown_max in STEPS:
        with traffic(cluster) as running:
            running.until_published(BETWEEN)
            do(cluster, running)
            running.until_published(BETWEEN)
            verdict: Verdict = running.end()
        say(f"{title}: {verdict}")
        found = verdict.problems(unknown_max, dead_binds=BINDS if do is cut_off else 0)
        for problem in found[:10]:
            say(f"WRONG {problem}")
        wrong += [f"{title}: {problem}" for problem in found]
    return wrong


def _saved(on: Engine, folder: Path) -> dict[str, Path]:
    """Archives of what the nodes need: Kafka and ClickHouse only where their volumes are."""
    import_program(on, go_program("pause"), PAUSE_IMAGE)
    import_program(on, go_program("coredns"), COREDNS_IMAGE)
    archives = {"every": folder / "every.tar", FIRST.name: folder / "first.tar"}
    on.docker("save", "--output", archives["every"], OURS, PAUSE_IMAGE, COREDNS_IMAGE)
    on.docker("save", "--output", archives[FIRST.name], KAFKA, CLICKHOUSE)
    return archives


@contextlib.contextmanager
def cluster_to_try() -> Iterator[Cluster]:
    """That of KUBECONFIG, whose nodes must know the image `smsgw:local`; else one of its own."""
    if os.environ.get("KUBECONFIG"):
        kubectl = shutil.which("kubectl")
        if kubectl is None:
            raise CannotHere("KUBECONFIG names a cluster, and there is no kubectl to reach it with.")
        given = Cluster((kubectl,), dict(os.environ))
        if not given.answers():
            raise CannotHere("The cluster that KUBECONFIG names does not answer.")
        yield given
        return
    prepare()
    with tempfile.TemporaryDirectory(dir=home()) as name:
        with engine(builds=True) as on:
            make_images(on)
            archives = _saved(on, Path(name))
        with own_cluster(archives) as own:
            yield own


def main() -> int:
    with cluster_to_try() as cluster:
        try:
            validated(cluster)
            install(cluster)
            wrong = try_steps(cluster)
        except BaseException:
            with contextlib.suppress(AssertionError):
                say(cluster.ours("get", "pods", "--output", "wide"))
                say(cluster.ours("get", "events", "--sort-by=.lastTimestamp"))
            raise
        finally:
            cluster("delete", "--kustomize", str(OVERLAY), "--ignore-not-found", "--wait=false")
    say(f"manifests: {len(wrong)} things WRONG" if wrong else "manifests: as they should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
