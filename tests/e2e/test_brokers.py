"""Edge: three brokers, of which some die for a while: nothing is lost or doubled, and all goes on by itself."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiokafka.admin import NewTopic

from schemas.topics import EVERY_SERVICE, LIFECYCLE_EVENTS, shared_topics
from services.cli.runtime import KAFKA_VARIABLE
from shared.kafka.client import administering
from shared.operations.beats import read_beats
from shared.process.settings import Settings
from tests.e2e.gateway import Gateway, messages_to, settle, steadily, traffic, until_submits
from tests.kafka_cluster import NODES, KafkaCluster, kafka_cluster

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(900)]

PARTITIONS = 4
COPIES = 3
AWAY_S = 45.0
"""Longer than aiokafka, a transaction or the watchdog would wait."""
AWAY_SUBMITS = 150
"""How much must go on while a broker is away."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[KafkaCluster]:
    with kafka_cluster(tmp_path / "brokers") as running:
        yield running


@contextmanager
def fleet_on(cluster: KafkaCluster, place: Path, copies: int) -> Iterator[Gateway]:
    """A gateway on the cluster, whose topics have `copies` replicas, unless they are there already."""
    place.mkdir()
    gateway = Gateway(place)
    gateway.environment[KAFKA_VARIABLE] = cluster.bootstrap_servers
    made = gateway.cli("topics", "create", "--partitions", str(PARTITIONS), "--replication-factor", str(copies))
    assert made.returncode == 0, made.stderr
    try:
        gateway.start_on_given_kafka()
        yield gateway
    finally:
        gateway.stop()


async def in_sync(settings: Settings, least: int) -> bool:
    """Whether every partition of ours has a leader and so many replicas in sync."""
    async with administering(settings) as admin:
        found = await admin.describe_topics()
    return all(len(p["isr"]) >= least and p["leader"] >= 0 for topic in found for p in topic["partitions"])


async def until_in_sync(settings: Settings, least: int) -> None:
    async with asyncio.timeout(180):
        while not await in_sync(settings, least):
            await asyncio.sleep(0.5)


def pids(fleet: Gateway) -> dict[str, int]:
    return {service: fleet.pid(service) for service in EVERY_SERVICE}


async def test_kill_9_of_one_broker_and_then_of_another(cluster: KafkaCluster, tmp_path: Path) -> None:
    prefix = "440271"
    with fleet_on(cluster, tmp_path / "fleet", COPIES) as fleet:
        await until_in_sync(fleet.settings, COPIES)
        began = pids(fleet)
        async with traffic(fleet) as (publisher, follower):
            async with steadily(publisher, follower, lambda turn: messages_to(prefix, 8, 8 * turn), 0.2):
                await until_submits(fleet, [prefix], 50)
                for number in (1, 2):
                    await asyncio.to_thread(cluster.kill, number)
                    await until_submits(fleet, [prefix], len(fleet.submits_to([prefix])) + AWAY_SUBMITS, timeout_s=150)
                    await asyncio.to_thread(cluster.start_again, number)
                    await until_in_sync(fleet.settings, COPIES)
            result = await settle(fleet, publisher, follower, [prefix], timeout_s=180)
        assert result.ok, result
        assert result.unknown == {}
        assert pids(fleet) == began, fleet.log_tails()


async def test_one_partition_of_the_events_is_away_for_a_while(cluster: KafkaCluster, tmp_path: Path) -> None:
    """It alone lies on a broker that is killed, and has no other replica. Nothing needs that broker otherwise."""
    prefix = "440272"
    settings = Settings(kafka_bootstrap_servers=cluster.bootstrap_servers)
    await make_topics_around(settings, (LIFECYCLE_EVENTS, 0), away_on=3)
    with fleet_on(cluster, tmp_path / "fleet", 1) as fleet:
        began = pids(fleet)
        async with traffic(fleet) as (publisher, follower):
            async with steadily(publisher, follower, lambda turn: messages_to(prefix, 8, 8 * turn), 0.2):
                await until_submits(fleet, [prefix], 50)
                await asyncio.to_thread(cluster.kill, 3)
                told = await told_while_away(fleet, AWAY_S)
                await asyncio.to_thread(cluster.start_again, 3)
                await until_submits(fleet, [prefix], len(fleet.submits_to([prefix])) + AWAY_SUBMITS, timeout_s=150)
            result = await settle(fleet, publisher, follower, [prefix], timeout_s=180)
        assert result.ok, result
        assert f"Kafka: {LIFECYCLE_EVENTS}, partition 0 has no leader" in told
        assert pids(fleet) == began, fleet.log_tails()


async def make_topics_around(settings: Settings, place: tuple[str, int], away_on: int) -> None:
    """The shared topics with one replica each: that of `place` on a broker where nothing else lies."""
    others = [number for number in range(1, NODES + 1) if number != away_on]
    async with administering(settings) as admin:
        wanted = [
            NewTopic(
                topic.name,
                -1,
                -1,
                {
                    n: [away_on if (topic.name, n) == place else others[n % len(others)]]
                    for n in range(topic.partitions)
                },
                topic.config | {"min.insync.replicas": "1"},
            )
            for topic in shared_topics(PARTITIONS)
        ]
        made = await admin.create_topics(wanted)
        assert {code for _, code, *_ in made.topic_errors} == {0}


async def told_while_away(fleet: Gateway, for_s: float) -> set[str]:
    """What services say in their beats that they wait for."""
    told: set[str] = set()
    until_s = asyncio.get_running_loop().time() + for_s
    while asyncio.get_running_loop().time() < until_s:
        told |= {beat.state.last_error for beat in (await read_beats(fleet.settings))[1]}
        await asyncio.sleep(1.0)
    return told
