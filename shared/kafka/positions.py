"""Pure: where a group goes on in its partitions, and where it has lost its place."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from aiokafka import TopicPartition

from shared.kafka.errors import LostPosition


@dataclass(frozen=True, slots=True)
class LostPlace:
    """A partition with which the group has begun, and where nobody knows what to read next.

    `committed` None: there is no offset, it has expired or the topic was made anew. Else what is there begins at
    `begin`, or `committed` lies behind the end of it.
    """

    tp: TopicPartition
    committed: int | None
    begin: int

    @property
    def deleted(self) -> int:
        """How many offsets were deleted before they were read: records, and markers of transactions."""
        return 0 if self.committed is None else max(0, self.begin - self.committed)

    def sentence(self) -> str:
        """What is wrong here."""
        place = f"{self.tp.topic}, partition {self.tp.partition}"
        if self.committed is None:
            return f"{place}: no committed offset"
        if self.deleted:
            return f"{place}: {self.deleted} offsets from {self.committed} on were deleted unread"
        return f"{place}: nothing lies at offset {self.committed} or behind it"


def lost_places(
    partitions: Iterable[TopicPartition],
    committed: Mapping[TopicPartition, tuple[int, str]],
    begun: Collection[TopicPartition],
    begins: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int] | None = None,
) -> list[LostPlace]:
    """Those of `partitions` where the group has lost its place, in order. `begun`: with which it has begun. `begins`:
    the first offset that is still there. `ends`: behind the last one; None: nobody looks whether it lies behind that.
    """
    found: list[LostPlace] = []
    for tp in sorted(partitions):
        offset = committed[tp][0] if tp in committed else None
        if offset is None:
            lost = tp in begun
        else:
            lost = offset < begins[tp] or (ends is not None and offset > ends[tp])
        if lost:
            found.append(LostPlace(tp, offset, begins[tp]))
    return found


def lost_position(group: str, lost: list[LostPlace]) -> LostPosition:
    """The error that says so, in one sentence: group, the first partition, and what to do."""
    others = f", and {len(lost) - 1} more" if len(lost) > 1 else ""
    return LostPosition(
        f"{group} has lost its place in {lost[0].sentence()}{others}; `smsgw topics adopt {group}` says where to go on"
    )
