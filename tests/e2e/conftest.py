"""Edge: the gateway that the end-to-end tests of a session share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.gateway import Gateway
from tests.fixtures_containers import VARIABLE


@pytest.fixture(scope="session")
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """`smsgw up` with the tests' configuration, healthy. Every test has numbers of its own."""
    place: Path = tmp_path_factory.mktemp("gateway")
    running = Gateway(place)
    try:
        if os.environ.get(VARIABLE) == "containers":
            running.start_on(request.getfixturevalue("kafka_bootstrap"), request.getfixturevalue("clickhouse_url"))
        else:
            running.start()
        yield running
    finally:
        running.stop()
