"""Edge: partitions that cannot be written to just now: without a leader, or with too few replicas in sync.

Asked only where a produce takes long: `acks=all` then waits for something that has a name.
"""

from collections.abc import Collection
from dataclasses import dataclass

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from shared.kafka.client import administering
from shared.process.settings import Settings

Place = tuple[str, int]
"""Topic and partition."""

_MIN_INSYNC = "min.insync.replicas"


@dataclass(frozen=True, slots=True)
class AwayPartition:
    """`least`: replicas in sync without which nothing is written."""

    topic: str
    partition: int
    led: bool
    in_sync: int
    least: int

    @property
    def place(self) -> Place:
        return self.topic, self.partition

    def sentence(self) -> str:
        """What is wrong with it."""
        name = f"{self.topic}, partition {self.partition}"
        if not self.led:
            return f"{name} has no leader"
        return f"{name} has {self.in_sync} of {self.least} replicas that it needs in sync"


async def away_partitions(settings: Settings, places: Collection[Place] | None = None) -> list[AwayPartition]:
    """Those of `places` (None: of all topics) that cannot be written to, in order; none where Kafka does not answer."""
    names = sorted({topic for topic, _ in places}) if places is not None else None
    try:
        async with administering(settings) as admin:
            described = await admin.describe_topics(names)
            wanted = [ConfigResource(ConfigResourceType.TOPIC, topic["topic"]) for topic in described]
            answers = await admin.describe_configs(wanted) if wanted else []
    except (KafkaError, OSError, TimeoutError):
        return []
    least = {
        topic: int(value)
        for answer in answers
        for _code, _message, _kind, topic, entries in answer.resources
        for name, value, *_ in entries
        if name == _MIN_INSYNC
    }
    found = [
        AwayPartition(
            topic["topic"],
            p["partition"],
            p["leader"] >= 0,
            len(p["isr"]),
            min(least.get(topic["topic"], 1), len(p["replicas"])),  # Kafka asks for no more than there are
        )
        for topic in described
        for p in topic["partitions"]
    ]
    away = [one for one in found if not one.led or one.in_sync < one.least]
    return sorted((one for one in away if places is None or one.place in places), key=lambda one: one.place)


def said_of(away: Collection[AwayPartition]) -> str:
    """The first of them, and how many more there are."""
    first, *others = [one.sentence() for one in away]
    return f"{first}, and {len(others)} more" if others else first
