"""Pure: which topics are missing or too small, of the shared ones and those of some connectors."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas.gateway.connectors.kinds import Connector
from schemas.topics import DEFAULT_PARTITIONS, MT_REQUESTS, NewTopic, connector_topics, shared_topics


@dataclass(frozen=True, slots=True)
class TopicChanges:
    """All topics that are wanted; those of them that are missing; those that are there and need more partitions."""

    wanted: tuple[NewTopic, ...]
    missing: tuple[NewTopic, ...]
    grown: tuple[NewTopic, ...]

    @property
    def names(self) -> list[str]:
        """What is to be created or grown."""
        return [topic.name for topic in (*self.missing, *self.grown)]


def topic_changes(connectors: Iterable[Connector], existing: Mapping[str, int]) -> TopicChanges:
    """What is lacking of the shared topics and of those of `connectors`.

    The number of partitions of a running cluster is kept. No topic gets smaller: partitions that are too many stay.
    """
    wanted = shared_topics(existing.get(MT_REQUESTS, DEFAULT_PARTITIONS))
    for connector in connectors:
        wanted += connector_topics(connector.id, connector.max_binds)
    missing = tuple(topic for topic in wanted if topic.name not in existing)
    grown = tuple(topic for topic in wanted if existing.get(topic.name, topic.partitions) < topic.partitions)
    return TopicChanges(tuple(wanted), missing, grown)
