"""How topics are laid out, on a real broker of one node: chosen once, written, and kept true."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.gateway.connectors.smpp import SmppConnector
from schemas.gateway.file import Gateway, TopicLayout
from schemas.gateway.values import SecretRef
from schemas.topics import shared_topics
from services.cli.commands import topics
from services.cli.runtime import KAFKA_VARIABLE
from shared.local.kafka import EmbeddedKafka
from shared.local.ports import free_port
from shared.operations.config.apply import apply_gateway, read_applied
from shared.operations.config.compare_and_set import change_config
from shared.operations.config.plan import config_hash
from shared.operations.errors import Refused
from shared.operations.layout_choice import LayoutWish
from shared.operations.topic_changes import topic_changes
from shared.operations.topic_creation import make_topics, min_insync_of, partition_counts
from shared.process.service import EXIT_WRONG_TOPICS, Service, _run
from shared.process.settings import Settings

pytestmark = pytest.mark.kafka

CONNECTOR = SmppConnector(id="acme", host="127.0.0.1", port=1, system_id="x", password=SecretRef(env="X"), max_binds=2)
GATEWAY = Gateway(version=1, connectors=(CONNECTOR,))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    kafka = EmbeddedKafka(tmp_path_factory.mktemp("layout"), free_port(), short_lived=True)
    kafka.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KAFKA_VARIABLE, kafka.bootstrap_servers)
        yield Settings(kafka_bootstrap_servers=kafka.bootstrap_servers)
    kafka.stop()


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[[], Any]:
    return lambda: json.loads(capsys.readouterr().out)


async def test_a_layout_is_chosen_once_and_kept_true(
    settings: Settings, printed: Callable[[], Any], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match="--replication-factor 3: only 1 broker lives"):
        await topics.create(LayoutWish(replication_factor=3), None, as_json=True)
    assert await partition_counts(settings) == {}, "nothing was made"
    three = TopicLayout(partitions=2, replication_factor=3, min_insync=2)  # chosen while others lived
    with pytest.raises(Refused, match="3 replicas, and fewer brokers live now; what was made stays"):
        await make_topics(settings, topic_changes((), three, {}))
    assert await partition_counts(settings) == {}

    assert await topics.create(LayoutWish(partitions=2), None, as_json=True) == 0
    printed()
    counts = await partition_counts(settings)
    assert counts == {topic.name: topic.partitions for topic in shared_topics(2)}
    assert await min_insync_of(settings, counts) == dict.fromkeys(counts, 1)
    assert await topics.check(None, as_json=True) == 0
    assert printed()["layout"] == {"partitions": 2, "replication_factor": 1, "min_insync": 1}

    applied = await apply_gateway(settings, GATEWAY, "")
    assert applied.topics is not None
    assert applied.topics.model_dump() == {"partitions": 2, "replication_factor": 1, "min_insync": 1}
    assert "mt.dispatch.acme" in await partition_counts(settings)
    with pytest.raises(Refused, match="--partitions 3: the topics of this installation have 2"):
        await topics.create(LayoutWish(partitions=3), None, as_json=True)

    # a record as an earlier version wrote it is completed, and a setting that was changed by hand is set again
    earlier = applied.model_copy(update={"topics": None, "hash": config_hash(applied.gateway, [])})
    await change_config(settings, applied.hash, earlier)
    await _altered(settings, "mt.requests", {"min.insync.replicas": "3"})
    assert await topics.create(LayoutWish(), None, as_json=True) == 0
    assert printed() == {"created": []}
    assert (again := await read_applied(settings)) is not None
    assert (again.topics, again.hash) == (applied.topics, applied.hash)
    assert await min_insync_of(settings, ["mt.requests"]) == {"mt.requests": 1}

    # whatever has other partitions than were written ends every service at its start, and nothing is applied
    await _grown(settings, "mt.requests", 3)
    assert await topics.check(None, as_json=True) == 1
    assert printed()["differences"] == [{"topic": "mt.requests", "aspect": "partitions", "wanted": 2, "found": 3}]
    with pytest.raises(Refused, match=r"mt\.requests has 3 partitions, not 2"):
        await apply_gateway(settings, GATEWAY, "")
    own = settings.model_copy(update={"data_dir": tmp_path})
    assert await asyncio.wait_for(_run("test", own, _never), 20) == EXIT_WRONG_TOPICS
    assert "mt.requests has 3 partitions, not 2; `smsgw topics check` lists what differs" in caplog.text


async def _never(service: Service) -> None:
    raise AssertionError("it may not begin")


async def _grown(settings: Settings, topic: str, partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    await admin.create_partitions({topic: NewPartitions(partitions)})
    await admin.close()


async def _altered(settings: Settings, topic: str, configs: dict[str, str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=configs)])
    await admin.close()
