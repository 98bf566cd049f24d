"""Edge: jSMPP (Java), an SMPP implementation that nobody here wrote, as a process; `python -m tests.jsmpp` fetches it.

Its jars come as the embedded broker's do: by Maven coordinates, checked against a list, run by the Java that is a
Python package.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.local.cache import cache_folder
from shared.local.jars import JarSet, fetch_or_exit
from shared.local.java import find_java
from shared.local.orphans import OrphanGuard

JSMPP_JARS: Final = JarSet(
    title="jSMPP",
    version="3.0.0",
    coordinates="org.jsmpp:jsmpp-examples:3.0.0",
    list_file=Path(__file__).with_name("jsmpp_jars.sha256"),
)

_OPTIONS: Final = ("-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


@dataclass(frozen=True, slots=True)
class JavaProgram:
    """A running program of jSMPP's examples and the file that it logs to."""

    process: "subprocess.Popen[bytes]"
    log_file: Path

    def log(self) -> str:
        """What it has logged so far."""
        return self.log_file.read_text(errors="replace")

    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self.process.poll() is not None


@contextlib.contextmanager
def running(main_class: str, properties: Mapping[str, object], log_file: Path) -> Iterator[JavaProgram]:
    """`main_class` with these system properties, ended when the block is left.

    Raises JarsUnavailableError and JavaMissingError.
    """
    classpath = os.pathsep.join(map(str, JSMPP_JARS.ensure(cache_folder())))
    settings = [f"-D{name}={value}" for name, value in properties.items()]
    command = [str(find_java()), *_OPTIONS, *settings, "-cp", classpath, main_class]
    with log_file.open("wb") as log, OrphanGuard() as guard:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        guard.watch(process.pid)
        try:
            yield JavaProgram(process, log_file)
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    fetch_or_exit(JSMPP_JARS, "0.7 MB")
