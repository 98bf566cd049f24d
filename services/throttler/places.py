"""Pure: which topics are a connector's."""

import re
from functools import lru_cache
from typing import Final

from schemas.topics import SEGMENT_LANES

TOPIC_PATTERN: Final = r"^mt\.(segments|feedback)\.(?!dlq$).*"
"""What the throttlers subscribe to: lanes and feedback, without the dead letters."""

_LANES: Final = "|".join(SEGMENT_LANES)
_PLACE: Final = re.compile(rf"mt\.(?:feedback\.(?P<f>[a-z0-9-]+)|segments\.(?P<s>[a-z0-9-]+)\.(?:{_LANES}))")
_ROUTE: Final = re.compile(rb'"message_id":"([0-9a-f-]{36})"(?:,"route_no":(\d+))?')


@lru_cache(maxsize=4096)
def connector_of(topic: str) -> str | None:
    """The connector of a lane or feedback topic; None for any other topic."""
    found = _PLACE.fullmatch(topic)
    return (found["f"] or found["s"]) if found else None


@lru_cache(maxsize=4096)
def lane_of(topic: str) -> str | None:
    """The lane of a lane topic; None for a feedback topic."""
    return topic.rsplit(".", 1)[1] if topic.startswith("mt.segments.") else None


def route_of(value: bytes) -> tuple[str, int] | None:
    """message_id and route_no of a lane record without decoding it; None when it is none of ours.

    The lane records begin with these fields; `submission` further on has the same names, so only the first count.
    """
    found = _ROUTE.search(value)
    return (found[1].decode(), int(found[2] or 0)) if found else None
