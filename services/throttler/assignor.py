"""Edge: the group assignor of the throttlers: all lanes and the feedback of a connector go to one member.

Rendezvous hashing: a member that comes or goes moves only its own share of the connectors. The weight hangs on the
member's lasting identity (sent as user data), not on its member id, which changes with every restart.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar
from zlib import crc32

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

from services.throttler.connector_topics import connector_of


def assignor_of(identity: str) -> "type[ConnectorAssignor]":
    """The assignor of the member with this lasting identity: aiokafka takes classes, and asks them as they are."""
    return type(ConnectorAssignor.__name__, (ConnectorAssignor,), {"identity": identity.encode()})


def owner_of(connector_id: str, members: Iterable[str]) -> str:
    """The member that a connector belongs to; `members` must not be empty."""
    return max(members, key=lambda member: (crc32(f"{connector_id}|{member}".encode()), member))


class ConnectorAssignor(AbstractPartitionAssignor):  # type: ignore[misc]  # aiokafka is untyped here
    """The assignor of a member without a lasting identity, which counts by its member id; others: `assignor_of`."""

    name = "smsgw-connector"
    version = 0
    identity: ClassVar[bytes] = b""

    @classmethod
    def assign(
        cls, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        by_identity = {(bytes(meta.user_data).decode() or member): member for member, meta in members.items()}
        shares: dict[str, list[tuple[str, list[int]]]] = {member: [] for member in members}
        for topic in sorted({topic for meta in members.values() for topic in meta.subscription}):
            connector_id = connector_of(topic)
            if connector_id is not None:
                owner = by_identity[owner_of(connector_id, by_identity)]
                shares[owner].append((topic, sorted(cluster.partitions_for_topic(topic) or ())))
        return {member: ConsumerProtocolMemberAssignment(cls.version, share, b"") for member, share in shares.items()}

    @classmethod
    def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        return ConsumerProtocolMemberMetadata(cls.version, list(topics), cls.identity)

    @classmethod
    def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Nothing to keep."""
