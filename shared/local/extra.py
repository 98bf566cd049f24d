"""Edge: whether the packages of the extra `local` are installed, which a fleet does without."""

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Final

PACKAGES: Final = {"kafka": "jgo", "clickhouse": "chdb"}
"""What each embedded part cannot begin without. Its Java Kafka may have from JAVA_HOME, too."""


def missing_packages(parts: Iterable[str]) -> list[str]:
    """Those of the embedded parts (`kafka`, `clickhouse`) that are not installed, by name."""
    return sorted(PACKAGES[part] for part in parts if find_spec(PACKAGES[part]) is None)
