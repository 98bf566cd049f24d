"""Pure: the id of a live event: up to where its stream has told everything, in each partition, and when that was."""

import base64
import binascii
from collections.abc import Mapping
from typing import Final, NamedTuple

import orjson

from shared.kafka.away import Place

KEPT_MS: Final = 24 * 3_600_000
"""So far back a stream may be taken up again."""
_ID_MAX: Final = 8_192


class StreamPlace(NamedTuple):
    """`next_offsets`: of each partition the first record that was not looked at yet."""

    at_ms: int
    next_offsets: dict[Place, int]


def event_id(at_ms: int, next_offsets: Mapping[Place, int]) -> str:
    """Opaque to clients, without spaces and line ends."""
    listed = [[topic, partition, offset] for (topic, partition), offset in sorted(next_offsets.items())]
    return base64.urlsafe_b64encode(orjson.dumps([at_ms, listed])).decode().rstrip("=")


def place_of(text: str) -> StreamPlace | None:
    """What `event_id` was made of; None for what it has not made."""
    if len(text) > _ID_MAX:
        return None
    try:
        at_ms, listed = orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        offsets = {(topic, partition): offset for topic, partition, offset in listed}
    except (ValueError, TypeError, binascii.Error):
        return None
    numbers = [at_ms, *offsets.values(), *(partition for _, partition in offsets)]
    if not all(type(one) is int and 0 <= one < 1 << 62 for one in numbers):
        return None
    return StreamPlace(at_ms, offsets)
