"""Edge: what passed before a bind died, as files in the data directory: readable, redacted, the last few kept."""

import asyncio
import logging
import os
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

FOLDER: Final = "traces"
KEPT: Final = 5
SLICE: Final = 64
"""Lines between two looks at everything else the process has to do: about half a millisecond."""

_TIME: Final = r"(\d{8}T\d{9}Z)"


def utc(at_ms: int) -> str:
    """`2026-11-27 00:31:00.123`."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(" ", "milliseconds").removesuffix("+00:00")


def stamp(at_ms: int) -> str:
    """`20261127T003100123Z`, for file names: they sort by time."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y%m%dT%H%M%S") + f"{at_ms % 1000:03}Z"


class TraceFiles:
    """The folder of traces. A disk that is full, or not ours to write, is a warning and nothing else."""

    def __init__(self, data_dir: Path, kept: int = KEPT) -> None:
        self._folder: Final = (data_dir / FOLDER).absolute()
        self._kept = kept

    def create(self, connector_id: str, partition: int, at_ms: int) -> Path | None:
        """An empty file that only its owner may read, in place of the oldest of the connector; None = that failed."""
        path = self._folder / f"{connector_id}-{partition}-{stamp(at_ms)}.txt"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            for old in self.of(connector_id)[: -self._kept]:
                old.unlink(missing_ok=True)
        except OSError as error:
            log.warning("connector %s: no trace of the bind is kept: %s", connector_id, error)
            return None
        return path

    def of(self, connector_id: str) -> list[Path]:
        """The files of one connector, oldest first."""
        pattern = re.compile(rf"{re.escape(connector_id)}-\d+-{_TIME}\.txt")
        found = [(match[1], path) for path in self._folder.iterdir() if (match := pattern.fullmatch(path.name))]
        return [path for _, path in sorted(found)]

    async def write(self, path: Path, lines: Iterable[str]) -> None:
        """Fill a file from `create`, in small slices: making `lines` takes time, and so does a disk."""
        try:
            for part in _slices(lines):
                await asyncio.to_thread(_append, path, part)
        except OSError as error:
            log.warning("the trace %s could not be written: %s", path, error)


def _slices(lines: Iterable[str]) -> Iterator[str]:
    some: list[str] = []
    for line in lines:
        some.append(line)
        if len(some) == SLICE:
            yield "\n".join(some) + "\n"
            some.clear()
    if some:
        yield "\n".join(some) + "\n"


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
