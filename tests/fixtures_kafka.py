"""Edge: the broker for tests: the address in SMSGW_KAFKA_BOOTSTRAP_SERVERS, else one of the session's own.

That one is embedded, or in a container (`tests.fixtures_containers`).
"""

import asyncio
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas.topics import GROUP_BEGINNINGS
from shared.local.kafka import EmbeddedKafka
from shared.local.ports import free_port
from tests.fixtures_containers import back_end, kafka_container

KAFKA_VARIABLE = "SMSGW_KAFKA_BOOTSTRAP_SERVERS"


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """`host:port` of a broker that answers. Started by the first test that asks for it, and shared by all."""
    chosen = back_end(KAFKA_VARIABLE)
    if chosen == "external":
        yield os.environ[KAFKA_VARIABLE]
        return
    if chosen == "containers":
        with kafka_container() as address:
            asyncio.run(_make_own_topics(address))
            yield address
        return
    with tempfile.TemporaryDirectory(prefix="smsgw-test-kafka-", ignore_cleanup_errors=True) as folder:
        kafka = EmbeddedKafka(Path(folder), free_port(), short_lived=True)
        kafka.start()
        try:
            asyncio.run(_make_own_topics(kafka.bootstrap_servers))
            yield kafka.bootstrap_servers
        finally:
            kafka.stop()


async def _make_own_topics(bootstrap: str) -> None:
    """What every member of a group writes to, also where a test makes only topics of its own."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(GROUP_BEGINNINGS, 1, 1, topic_configs={"cleanup.policy": "compact"})])
    await admin.close()


@pytest.fixture
def unique_name(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """A function that makes a name (topic, group, transactional id) no other test and no earlier run uses.

    `unique_name("mt.requests")` -> `mt.requests.<test>.<8 hex digits>`: tests that share a broker never meet.
    """
    test = re.sub(r"[^A-Za-z0-9_-]", "-", request.node.name)[:60]

    def make(stem: str) -> str:
        return f"{stem}.{test}.{uuid4().hex[:8]}"

    return make
