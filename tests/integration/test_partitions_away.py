"""Partitions that cannot be written to, on a real broker: whoever needs them waits and says so, nobody ends, and all
goes on by itself."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.cluster import ClusterMetadata

from schemas.topics import dispatch_topic
from services.throttler.app import run as run_throttler
from shared.kafka import partition_wait, produce
from shared.kafka.away import AwayPartition, Place
from shared.kafka.client import administering
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.kafka.replay import read_range
from shared.membership.handler import StageConfig
from shared.membership.heartbeat import HeartbeatWatch
from shared.membership.stage import Stage
from shared.process.clock import now_ms
from shared.process.service import STUCK_MS
from shared.process.settings import Settings
from tests.integration.flow_rig import Rig, Watch
from tests.integration.test_stage import Copy, _produce, _running, _service, _until, _values, topics
from tests.integration.test_throttler import ENDS, Lanes, binds, config, connector, ends

pytestmark = pytest.mark.kafka

__all__ = ["topics"]


TRANSACTION_MS = 1_000
ENDED_WITHIN_S = TRANSACTION_MS / 1000 + 3.5
"""Kafka looks every two seconds for transactions that take too long."""


@pytest.fixture(autouse=True)
def short_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(produce, "TRANSACTION_TIMEOUT_MS", TRANSACTION_MS)


@contextmanager
def _away(topic: str, partition: int) -> Iterator[None]:
    """No client hears of a leader of the partition, as if the brokers that have it were all dead."""
    known = ClusterMetadata.leader_for_partition

    def leader(cluster: ClusterMetadata, tp: TopicPartition) -> int | None:
        return -1 if tuple(tp) == (topic, partition) else known(cluster, tp)

    async def away(_: Settings, places: set[Place] | None = None) -> list[AwayPartition]:
        gone = AwayPartition(topic, partition, False, 0, 1)
        return [gone] if places is None or gone.place in places else []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClusterMetadata, "leader_for_partition", leader)
        patch.setattr(partition_wait, "away_partitions", away)
        yield


@pytest.mark.parametrize("transactional", [False, True])
async def test_a_stage_waits_for_its_output_says_so_and_goes_on(
    kafka_bootstrap: str,
    topics: tuple[str, str],  # the fixture
    tmp_path: Path,
    unique_name: Callable[[str], str],
    caplog: pytest.LogCaptureFixture,
    transactional: bool,
) -> None:
    """In a transaction longer than Kafka leaves one open: it is written once more."""
    source, target = topics
    service, handler = _service(kafka_bootstrap, tmp_path), Copy(target)
    config = StageConfig(unique_name("group"), (source,), transactional=transactional)
    async with _running(service, Stage(service, config, handler)) as task:
        await _until(lambda: service.ready, task)
        with _away(target, 1):
            await _produce(kafka_bootstrap, source, 10)
            await _until(lambda: bool(service.state(now_ms()).last_error), task)
            told = service.state(now_ms()).last_error
            assert told == f"Kafka: {target}, partition 1 has no leader"
            if transactional:
                await asyncio.sleep(ENDED_WITHIN_S)
            assert not task.done()
            assert service.stuck_ms < STUCK_MS
        await _until(lambda: service.state(now_ms()).last_error == "", task)
        await _produce(kafka_bootstrap, source, 10, start=10)
        await _until(lambda: handler.seen == 20, task)
    assert await _values(service, target) == [list(range(0, 20, 2)), list(range(1, 20, 2))]
    assert len([r for r in caplog.records if f"{config.group} waits for Kafka" in r.getMessage()]) == 1


async def test_a_throttler_whose_transaction_is_ended_reads_back_what_is_in_flight(kafka_bootstrap: str) -> None:
    connector_id = f"away-{now_ms()}"
    async with Rig(kafka_bootstrap) as rig:
        await rig.apply(config(connector(connector_id, max_binds=1)))
        lanes = Lanes(rig, connector_id)
        async with (
            Watch(rig.settings, *ENDS) as watch,
            binds(rig, connector_id, 1),
            rig.running("throttler", run_throttler) as service,
        ):
            await lanes.publish(*(lanes.make() for _ in range(20)))
            await watch.until(lambda: len(ends(watch, lanes)) == 20)
            with _away(dispatch_topic(connector_id), 0):
                await lanes.publish(*(lanes.make() for _ in range(20)))
                await asyncio.sleep(ENDED_WITHIN_S)
                assert service.state(now_ms()).last_error.startswith(f"Kafka: {dispatch_topic(connector_id)}")
            await watch.until(lambda: len(ends(watch, lanes)) == 40)
            assert service.state(now_ms()).last_error == ""
    assert set(ends(watch, lanes).values()) == {1}


async def test_a_coordinator_that_is_moving_is_waited_for(
    kafka_bootstrap: str,
    topics: tuple[str, str],  # the fixture
    tmp_path: Path,
    unique_name: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A broker that dies is missed for longer than a heartbeat may be old. The group says then whose the work is."""
    source, target = topics
    asked = asyncio.Event()

    async def unanswered(_watch: HeartbeatWatch) -> None:
        asked.set()

    service, handler = _service(kafka_bootstrap, tmp_path), Copy(target)
    config = StageConfig(unique_name("group"), (source,))
    async with _running(service, Stage(service, config, handler)) as task:
        await _until(lambda: service.ready, task)
        with monkeypatch.context() as patch:
            patch.setattr(HeartbeatWatch, "ask", unanswered)
            patch.setattr(HeartbeatWatch, "fresh", False)
            await _produce(kafka_bootstrap, source, 4)
            await asyncio.wait_for(asked.wait(), 30)
            assert await _values(service, target) == [[], []]
            assert not task.done()
        await _until(lambda: handler.seen == 4, task)
    assert await _values(service, target) == [[0, 2], [1, 3]]


async def test_events_go_to_another_partition_while_theirs_is_away(
    kafka_bootstrap: str, unique_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    events = unique_name("events")
    settings = Settings(kafka_bootstrap_servers=kafka_bootstrap)
    async with administering(settings) as admin:
        await admin.create_topics([NewTopic(events, 2, 1)])
    for module in (produce, partition_wait):
        monkeypatch.setattr(module, "LIFECYCLE_EVENTS", events)
        monkeypatch.setattr(module, "LOOK_S", 0.2)
    told: list[str] = []
    producer = BatchProducer(settings, client_id="t", waits=told.append)
    await producer.start()
    with _away(events, 0):
        first = [Out(events, None, b"%d" % number, (), number % 2) for number in range(4)]
        await asyncio.wait_for(producer.send_all(first), 30)
        assert (told[0], told[-1]) == (f"{events}, partition 0 has no leader", "")
        assert sorted(await _events(settings, events, 1)) == [0, 1, 2, 3]
        told.clear()
        await asyncio.wait_for(producer.send_all([Out(events, None, b"4") for _ in range(2)]), 30)
        assert told == []
        assert len(await _events(settings, events, 1)) == 6
    async with asyncio.timeout(30):  # it is back: what lay there comes too, late, and collapses by its ids
        while await _events(settings, events, 0) != [0, 2]:
            await asyncio.sleep(0.1)
    await producer.stop()


async def _events(settings: Settings, topic: str, partition: int) -> list[int]:
    return [int(r.value) async for batch in read_range(settings, topic, partition) for r in batch]
