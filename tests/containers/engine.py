"""Edge: the Docker engine of `make test-image`: one that answers already, else one of its own from packages.

Its own lives in a network namespace, where its bridges and rules stay and from which no way leads out; for builds,
which fetch packages, it runs in the machine's own network, without a bridge. Images stay in the cache folder.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from shared.process.clock import monotonic_s
from tests.containers.go_programs import go_program
from tests.containers.machine import CannotHere, home, need_packages, pause, remove_remains, run, say

NAMESPACE: Final = "smsgw-docker"
_RUN: Final = Path("/run/smsgw-docker")
_CGROUP: Final = "/smsgw-docker"
_UP_S: Final = 60.0
_PACKAGES: Final = {
    "dockerd": "docker.io", "/usr/bin/docker": "docker.io", "iptables": "iptables", "debootstrap": "debootstrap",
}  # fmt: skip
_INSTEAD: Final = "name an engine that runs in DOCKER_HOST"


@dataclass(frozen=True, slots=True)
class Engine:
    """`inside` goes before a command that must reach what containers publish; `own`: it was set up here."""

    environment: dict[str, str]
    client: tuple[str, ...]
    compose: tuple[str, ...]
    inside: tuple[str, ...] = ()
    own: bool = False
    network: tuple[str, ...] = field(default=())
    """Options of `docker build`."""

    def docker(self, *arguments: str | Path) -> str:
        """What the command printed. Raises AssertionError when it fails."""
        return run([*self.client, *arguments], env=self.environment).stdout.strip()

    def has_image(self, name: str) -> bool:
        done = subprocess.run(
            [*self.client, "image", "inspect", name], env=self.environment, capture_output=True, check=False
        )
        return done.returncode == 0


@contextlib.contextmanager
def engine(*, builds: bool) -> Iterator[Engine]:
    """An engine for builds, or for all else; one of our own is stopped at the end.

    Raises CannotHere, and AssertionError with the end of its log when our own does not start.
    """
    if (given := _given()) is not None:
        yield given
        return
    need_packages(_PACKAGES, _INSTEAD)
    with _alone(), _own(builds) as made:
        yield made


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One engine at a time lives on the folder of images: another waits."""
    with (home() / "engine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _own(builds: bool) -> Iterator[Engine]:
    _RUN.mkdir(mode=0o700, exist_ok=True)
    socket = _RUN / "docker.sock"
    inside = () if builds else ("nsenter", f"--net=/run/netns/{NAMESPACE}")
    made = Engine(
        environment=os.environ | {"DOCKER_HOST": f"unix://{socket}", "DOCKER_BUILDKIT": "1"},
        client=("/usr/bin/docker",),
        compose=() if builds else (str(go_program("docker-compose")),),
        inside=inside,
        own=True,
        network=("--network=host",),
    )
    with _namespace() if inside else contextlib.nullcontext(), _daemon(made, socket):
        yield made


def _given() -> Engine | None:
    """That of DOCKER_HOST, or of this machine, with its own plug-in for compose where it has one."""
    client = shutil.which("docker")
    if client is None:
        if "DOCKER_HOST" in os.environ:
            raise CannotHere("DOCKER_HOST names an engine, and there is no docker to reach it with.")
        return None
    answers = subprocess.run([client, "info"], capture_output=True, check=False).returncode == 0
    if not answers:
        if host := os.environ.get("DOCKER_HOST"):
            raise CannotHere(f"The engine that DOCKER_HOST names ({host}) does not answer.")
        return None
    has_compose = subprocess.run([client, "compose", "version"], capture_output=True, check=False).returncode == 0
    compose = (client, "compose") if has_compose else (str(go_program("docker-compose")),)
    return Engine(environment=dict(os.environ), client=(client,), compose=compose)


@contextlib.contextmanager
def _namespace() -> Iterator[None]:
    if not Path(f"/run/netns/{NAMESPACE}").exists():
        run(["ip", "netns", "add", NAMESPACE])
    run(["ip", "-n", NAMESPACE, "link", "set", "lo", "up"])
    try:
        yield
    finally:
        run(["ip", "netns", "delete", NAMESPACE])


@contextlib.contextmanager
def _daemon(made: Engine, socket: Path) -> Iterator[None]:
    """dockerd while the block runs; nothing of it is mounted or running afterwards."""
    # not `ip netns exec`: that mounts /sys anew, and hides the cgroups
    command = [
        *made.inside, "dockerd", "--data-root", str(home() / "docker"), "--exec-root", str(_RUN / "exec"),
        "--pidfile", str(_RUN / "dockerd.pid"), "--host", f"unix://{socket}", "--storage-driver", "overlay2",
        "--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", _CGROUP,
    ]  # fmt: skip
    if not made.inside:
        command += ["--bridge=none", "--iptables=false", "--ip-forward=false"]
    log = home() / "dockerd.log"
    with log.open("wb") as to:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=to, stderr=to, start_new_session=True)
    try:
        _until_it_answers(made, process, log)
        say("the engine is up" if made.inside else "the engine is up, for builds")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)
        remove_remains((_RUN, home() / "docker"), _CGROUP)
        shutil.rmtree(_RUN, ignore_errors=True)


def _until_it_answers(made: Engine, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until_s = monotonic_s() + _UP_S
    while subprocess.run([*made.client, "info"], env=made.environment, capture_output=True, check=False).returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
        assert process.poll() is None, f"dockerd ended\n{tail}"
        assert monotonic_s() < until_s, f"dockerd does not answer\n{tail}"
        pause(0.2)
