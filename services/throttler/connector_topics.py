"""Pure: which topics are a connector's."""

import re
from functools import lru_cache
from typing import Final

from schemas.kafka_prefix import KAFKA_PREFIX
from schemas.topics import SEGMENT_LANES, is_segments_topic

_PREFIX: Final = re.escape(KAFKA_PREFIX)
TOPIC_PATTERN: Final = rf"^{_PREFIX}mt\.(segments|feedback)\.(?!dlq$).*"
"""What the throttlers subscribe to: lanes and feedback, without the dead letters."""

_LANES: Final = "|".join(SEGMENT_LANES)
_OF_A_CONNECTOR: Final = re.compile(
    rf"{_PREFIX}mt\.(?:feedback\.(?P<f>[a-z0-9-]+)|segments\.(?P<s>[a-z0-9-]+)\.(?:{_LANES}))"
)


@lru_cache(maxsize=4096)
def connector_of(topic: str) -> str | None:
    """The connector of a lane or feedback topic; None for any other topic."""
    found = _OF_A_CONNECTOR.fullmatch(topic)
    return (found["f"] or found["s"]) if found else None


@lru_cache(maxsize=4096)
def lane_of(topic: str) -> str | None:
    """The lane of a lane topic; None for a feedback topic."""
    return topic.rsplit(".", 1)[1] if is_segments_topic(topic) else None
