"""Edge: programs that run in a network namespace until the end of a block, each with a log of its own."""

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

_END_S: Final = 20.0


class NamespacedProcesses:
    """Started in order, ended in the opposite one; use it as a context manager."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        logs.mkdir(parents=True, exist_ok=True)
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(self, name: str, namespace: str, command: Sequence[str | Path]) -> None:
        # not `ip netns exec`: that mounts /sys anew, and hides the cgroups
        with (self._logs / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{namespace}", *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._running.append((name, process))

    def check(self) -> None:
        """Raises AssertionError with the end of the log of one that has ended by itself."""
        for name, process in self._running:
            assert process.poll() is None, f"{name} ended\n{self.tail(name)}"

    def tail(self, name: str) -> str:
        lines = (self._logs / f"{name}.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-15:])

    def __enter__(self) -> "NamespacedProcesses":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, process in reversed(self._running):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(_END_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
