"""Edge: the wall clocks of the services, set wrong while they run: see `shared/process/clock.py`."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from shared.process.clock import TEST_CLOCK_VARIABLE


class Clocks:
    """A folder for each instance id, with a file for each service whose clock is wrong."""

    def __init__(self, folder: Path, instances: Iterable[str]) -> None:
        self._folder = folder
        self._off: dict[Path, list[int]] = {}
        for instance in instances:
            (folder / instance).mkdir(parents=True)

    def environment(self, instance: str) -> Mapping[str, str]:
        """What the processes of an instance need to have their clocks shifted."""
        return {TEST_CLOCK_VARIABLE: str(self._folder / instance)}

    @contextmanager
    def shifted(self, service: str, instance: str, seconds: int) -> Iterator[None]:
        """The clock of one process jumps, and jumps back at the end. Where several overlap, their sum counts."""
        file = self._folder / instance / service
        self._set(file, [*self._off.get(file, ()), seconds])
        try:
            yield
        finally:
            rest = list(self._off[file])
            rest.remove(seconds)
            self._set(file, rest)

    def _set(self, file: Path, off: list[int]) -> None:
        self._off[file] = off
        if off:
            file.write_text(str(sum(off) * 1000), encoding="ascii")
        else:
            file.unlink()
