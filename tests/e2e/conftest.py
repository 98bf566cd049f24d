"""Edge: the gateway that the end-to-end tests of a session share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.gateway import Gateway


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """`smsgw up` with the tests' configuration, healthy. Every test has numbers of its own."""
    place: Path = tmp_path_factory.mktemp("gateway")
    running = Gateway(place)
    try:
        running.start()
        yield running
    finally:
        running.stop()
