"""Edge: the broker for tests: the address in SMSGW_KAFKA_BOOTSTRAP_SERVERS, else one embedded Kafka for the session."""

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from shared.local.kafka import EmbeddedKafka
from shared.local.ports import free_port


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """`host:port` of a broker that answers. Started by the first test that asks for it, and shared by all."""
    if given := os.environ.get("SMSGW_KAFKA_BOOTSTRAP_SERVERS"):
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="smsgw-test-kafka-", ignore_cleanup_errors=True) as folder:
        kafka = EmbeddedKafka(Path(folder), free_port(), short_lived=True)
        kafka.start()
        try:
            yield kafka.bootstrap_servers
        finally:
            kafka.stop()


@pytest.fixture
def unique_name(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """A function that makes a name (topic, group, transactional id) no other test and no earlier run uses.

    `unique_name("mt.requests")` -> `mt.requests.<test>.<8 hex digits>`: tests that share a broker never meet.
    """
    test = re.sub(r"[^A-Za-z0-9_-]", "-", request.node.name)[:60]

    def make(stem: str) -> str:
        return f"{stem}.{test}.{uuid4().hex[:8]}"

    return make
