"""Pure: `dlq.replayed`: which dead letters were replayed, by whom; compacted; key `dead-letter topic|partition|offset`.

Written in the transaction that replays, so that there is one only with the other.
"""

from pydantic import Field

from schemas.wire import Int64, Wire


def replay_key(topic: str, partition: int, offset: int) -> bytes:
    """The key of the record about one dead letter."""
    return f"{topic}|{partition}|{offset}".encode()


class ReplayMark(Wire):
    """A dead letter that was written back to where it came from."""

    at_ms: int
    by: str = Field(default="", description="user@host")
    to_topic: str
    to_partition: Int64
