"""Pure: in what the topics of a cluster differ from how they were laid out when the installation was made."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from schemas.gateway.connectors.kinds import Connector
from schemas.gateway.file import TopicLayout
from schemas.topics import SEGMENT_LANES, connector_topics, segments_topic, shared_topics

SHOWN_MAX: Final = 5

Aspect = Literal["missing", "partitions", "replication_factor", "min_insync"]
_WORDS: Final[dict[Aspect, str]] = {
    "partitions": "partitions",
    "replication_factor": "replicas of a partition",
    "min_insync": "as min.insync.replicas",
}


@dataclass(frozen=True, slots=True)
class FoundTopic:
    """A topic as the cluster has it. Partitions may have unequal numbers of replicas: the fewest, and the most."""

    partitions: int
    fewest_replicas: int
    most_replicas: int


@dataclass(frozen=True, slots=True)
class Difference:
    """One aspect of one topic. Of a missing topic `wanted` is its number of partitions, and `found` 0."""

    topic: str
    aspect: Aspect
    wanted: int
    found: int

    def sentence(self) -> str:
        if self.aspect == "missing":
            return f"{self.topic} is missing"
        if self.aspect == "min_insync" and not self.found:
            return f"{self.topic} has no min.insync.replicas of its own, not {self.wanted}"
        return f"{self.topic} has {self.found} {_WORDS[self.aspect]}, not {self.wanted}"


def found_topics(described: Iterable[Mapping[str, Any]]) -> dict[str, FoundTopic]:
    """From what Kafka tells of all topics; its internal ones are left out."""
    found = {}
    for topic in described:
        counts = [len(partition["replicas"]) for partition in topic["partitions"]]
        if counts and not topic.get("is_internal"):
            found[topic["topic"]] = FoundTopic(len(counts), min(counts), max(counts))
    return found


def differences(
    layout: TopicLayout, connectors: Iterable[Connector], found: Mapping[str, FoundTopic]
) -> list[Difference]:
    """What is not as it was laid out, of the shared topics and of those of `connectors`, in flow order.

    A connector may have had more binds once: dispatch and feedback may have more partitions than it has binds.
    """
    listed = []
    for topic in shared_topics(layout.partitions):
        listed += _differences_of(topic.name, topic.partitions, layout, found.get(topic.name), may_be_more=False)
    for connector in connectors:
        lanes = {segments_topic(connector.id, lane) for lane in SEGMENT_LANES}
        for topic in connector_topics(connector.id, connector.max_binds):
            more = topic.name not in lanes
            listed += _differences_of(topic.name, topic.partitions, layout, found.get(topic.name), may_be_more=more)
    return listed


def _differences_of(
    name: str, partitions: int, layout: TopicLayout, found: FoundTopic | None, *, may_be_more: bool
) -> list[Difference]:
    if found is None:
        return [Difference(name, "missing", partitions, 0)]
    listed = []
    if found.partitions < partitions or (found.partitions > partitions and not may_be_more):
        listed.append(Difference(name, "partitions", partitions, found.partitions))
    wanted = layout.replication_factor
    if (found.fewest_replicas, found.most_replicas) != (wanted, wanted):
        unlike = found.fewest_replicas if found.fewest_replicas != wanted else found.most_replicas
        listed.append(Difference(name, "replication_factor", wanted, unlike))
    return listed


def forbidding(found: Iterable[Difference]) -> list[Difference]:
    """Those with which no service may begin: what is missing is told elsewhere, and while an operator moves replicas a
    partition has more of them than it will keep."""
    return [
        one
        for one in found
        if one.aspect == "partitions" or (one.aspect == "replication_factor" and one.found < one.wanted)
    ]


def in_one_sentence(found: list[Difference]) -> str:
    """The first few, and how many more there are."""
    more = f"; and {len(found) - SHOWN_MAX} more" if len(found) > SHOWN_MAX else ""
    return "; ".join(one.sentence() for one in found[:SHOWN_MAX]) + more
