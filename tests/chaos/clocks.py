"""Edge: the wall clocks of the services, set wrong while they run: see `shared/process/clock.py`."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from shared.process.clock import TEST_CLOCK_VARIABLE


class Clocks:
    """A folder for each instance id, with a file for each service whose clock is wrong."""

    def __init__(self, folder: Path, instances: Iterable[str]) -> None:
        self._folder = folder
        for instance in instances:
            (folder / instance).mkdir(parents=True)

    def environment(self, instance: str) -> Mapping[str, str]:
        """What the processes of an instance need to have their clocks shifted."""
        return {TEST_CLOCK_VARIABLE: str(self._folder / instance)}

    @contextmanager
    def shifted(self, service: str, instance: str, seconds: int) -> Iterator[None]:
        """The clock of one process jumps, and jumps back at the end."""
        file = self._folder / instance / service
        file.write_text(str(seconds * 1000), encoding="ascii")
        try:
            yield
        finally:
            file.unlink()
