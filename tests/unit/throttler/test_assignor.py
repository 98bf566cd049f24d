"""Edge: tests of who owns which connector."""

from collections import Counter
from typing import Any

from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata

from schemas.topics import connector_topics
from services.throttler.assignor import ConnectorAssignor, owner_of
from services.throttler.connector_topics import connector_of


class Cluster:
    """As much of aiokafka's ClusterMetadata as the assignor asks for."""

    def __init__(self, *connector_ids: str) -> None:
        self.topics = {
            topic.name: set(range(topic.partitions))
            for connector_id in connector_ids
            for topic in connector_topics(connector_id, 3)
            if connector_of(topic.name)
        }

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return self.topics.get(topic)


def assigned(cluster: Cluster, *instances: str) -> dict[str, dict[str, list[int]]]:
    members = {
        f"member-{place}": ConsumerProtocolMemberMetadata(0, sorted(cluster.topics), instance.encode())
        for place, instance in enumerate(instances)
    }
    found: dict[str, Any] = ConnectorAssignor.assign(cluster, members)
    return {instance: dict(found[member].assignment) for member, instance in zip(members, instances, strict=True)}


CONNECTORS = tuple(f"c{n}" for n in range(40))


def test_every_partition_goes_to_one_member_and_a_connector_is_whole() -> None:
    cluster = Cluster(*CONNECTORS)
    shares = assigned(cluster, "0", "1", "2")
    owners: dict[str, set[str]] = {}
    for instance, topics in shares.items():
        for topic, partitions in topics.items():
            assert partitions == sorted(cluster.topics[topic])
            owners.setdefault(connector_of(topic) or "", set()).add(instance)
    assert {len(found) for found in owners.values()} == {1}
    assert set(owners) == set(CONNECTORS)
    assert min(Counter(next(iter(found)) for found in owners.values()).values()) >= 5


def test_a_member_that_goes_moves_only_its_own_connectors() -> None:
    before = {c: owner_of(c, ["0", "1", "2"]) for c in CONNECTORS}
    after = {c: owner_of(c, ["2", "0"]) for c in CONNECTORS}
    assert all(after[c] == owner for c, owner in before.items() if owner != "1")


def test_a_spare_gets_nothing() -> None:
    shares = assigned(Cluster("only"), "0", "1")
    assert sorted(map(bool, shares.values())) == [False, True]
