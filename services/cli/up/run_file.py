"""Edge: `<data-dir>/run.json`: what a running `smsgw up` tells the other commands."""

import contextlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from shared.local.private import open_private

NAME = "run.json"
_CLOCKS_DIFFER_MS = 1000


@dataclass(frozen=True, slots=True)
class RunFile:
    """Addresses and processes of one `smsgw up`. `processes`: pid by name; `started_at_ms`: when all of them ran.

    `clickhouse_url` is empty where nothing of it asks for ClickHouse and nobody said where it is.
    """

    pid: int
    instance: str
    kafka_bootstrap_servers: str
    clickhouse_url: str
    simulator: str = ""
    config_hash: str = ""
    started_at_ms: int = 0
    processes: dict[str, int | None] = field(default_factory=dict)

    @property
    def alive(self) -> bool:
        """Whether the `up` that wrote it still runs. A process with its pid that began later is another program."""
        try:
            return psutil.Process(self.pid).create_time() * 1000 <= self.started_at_ms + _CLOCKS_DIFFER_MS
        except psutil.Error:
            return False


def write_run_file(data_dir: Path, run: RunFile) -> None:
    """Replace run.json in one step, so that a reader never sees half of it. Raises OSError."""
    temporary = data_dir / f".{NAME}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8", opener=open_private) as file:
        file.write(json.dumps(asdict(run), indent=2) + "\n")
    temporary.replace(data_dir / NAME)


def read_run_file(data_dir: Path) -> RunFile | None:
    """The last one written there; None when there is none, or it is not ours."""
    try:
        found = json.loads((data_dir / NAME).read_text(encoding="utf-8"))
        return RunFile(**found)
    except (OSError, ValueError, TypeError):
        return None


def remove_run_file(data_dir: Path) -> None:
    with contextlib.suppress(OSError):
        (data_dir / NAME).unlink()
