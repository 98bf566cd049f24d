"""Edge: a cluster as its administrator sees it, by kubectl."""

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.containers.machine import run

NAMESPACE: Final = "smsgw"


@dataclass(frozen=True, slots=True)
class Cluster:
    """`cut` and `mend` take the name of a node; None where we may not touch its network."""

    kubectl: Sequence[str]
    environment: Mapping[str, str]
    cut: Callable[[str], None] | None = None
    mend: Callable[[str], None] | None = None

    def __call__(self, *arguments: str, said: str | None = None) -> str:
        """What kubectl printed. Raises AssertionError when it fails."""
        return run([*self.kubectl, *arguments], env=dict(self.environment), said=said).stdout

    def ours(self, *arguments: str) -> str:
        """In our namespace."""
        return self("--namespace", NAMESPACE, *arguments)

    def answers(self) -> bool:
        command = [*self.kubectl, "get", "--raw", "/readyz"]
        return not subprocess.run(command, env=dict(self.environment), capture_output=True, check=False).returncode

    def apply(self, text: str) -> None:
        self("apply", "--filename", "-", said=text)

    def objects(self, kind: str, *options: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.ours("get", kind, "--output", "json", *options))["items"]
        return found

    def until_ready(self, what: str, timeout_s: float) -> None:
        self("wait", what, "--for=create", f"--timeout={timeout_s:.0f}s")
        self("wait", what, "--for=condition=Ready", f"--timeout={timeout_s:.0f}s")
