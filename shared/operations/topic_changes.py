"""Pure: which topics are missing or too small, of the shared ones and those of some connectors."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas.gateway.connectors.kinds import Connector
from schemas.gateway.file import TopicLayout
from schemas.topics import NewTopic, connector_topics, shared_topics
from shared.kafka.topic_layout import FoundTopic


@dataclass(frozen=True, slots=True)
class TopicChanges:
    """All topics that are wanted, and their layout; those of them that are missing; those that are there and need more
    partitions."""

    layout: TopicLayout
    wanted: tuple[NewTopic, ...]
    missing: tuple[NewTopic, ...]
    grown: tuple[NewTopic, ...]

    @property
    def names(self) -> list[str]:
        """What is to be created or grown."""
        return [topic.name for topic in (*self.missing, *self.grown)]


def topic_changes(
    connectors: Iterable[Connector], layout: TopicLayout, found: Mapping[str, FoundTopic]
) -> TopicChanges:
    """What is lacking of the shared topics and of those of `connectors`.

    Only topics of connectors grow, with their binds. None gets smaller: partitions that are too many stay.
    """
    shared = shared_topics(layout.partitions)
    own = [topic for one in connectors for topic in connector_topics(one.id, one.max_binds)]
    wanted = (*shared, *own)
    missing = tuple(topic for topic in wanted if topic.name not in found)
    grown = tuple(topic for topic in own if topic.name in found and found[topic.name].partitions < topic.partitions)
    return TopicChanges(layout, wanted, missing, grown)
