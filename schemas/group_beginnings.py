"""Pure: `group.beginnings`: with which partitions each group has begun; compacted; key `group|topic|partition`.

Written once, behind the group's first commit of the partition and before anything is decided there. So a partition
without a committed offset is a new one exactly where it has no record here.
"""

from schemas.wire import Count, Wire


def beginning_key(group: str, topic: str, partition: int) -> bytes:
    """The key of the record about one partition."""
    return f"{group}|{topic}|{partition}".encode()


class GroupBeginning(Wire):
    """The group has committed an offset of the partition. A tombstone: the topic was deleted, and may be made anew."""

    group: str
    topic: str
    partition: Count
    offset: Count
