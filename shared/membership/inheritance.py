"""Pure: what a stage takes over with its partitions, and what its commits must go on saying about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiokafka import TopicPartition

from schemas.commit_marks import StageMark, Writer


@dataclass(frozen=True, slots=True)
class Inherited:
    """The partitions of an assignment as their predecessors left them.

    `offsets`: the next record to work on. `marks`: of the last commit, where there was one. `ends`: behind the last
    record that a predecessor can have read. Of a transactional stage there are `offsets` alone: what is not committed
    is not written either.
    """

    partitions: frozenset[TopicPartition]
    offsets: Mapping[TopicPartition, int] = field(default_factory=dict)
    marks: Mapping[TopicPartition, StageMark] = field(default_factory=dict)
    ends: Mapping[TopicPartition, int] = field(default_factory=dict)

    def strangers(self, own: Writer) -> set[Writer]:
        """Who may still append what follows from records that are ours now."""
        return {mark.writer for mark in self.marks.values() if mark.writer is not None} - {own}


class Standing:
    """How far the held partitions are worked off, and since when what follows from the rest can have been appended.

    A predecessor may have decided records up to the `end` that was inherited. Until all of them are worked off again, a
    commit repeats the time of its mark: the successor of a process that dies among them must look back as far.
    """

    def __init__(self) -> None:
        self._offsets: dict[TopicPartition, int] = {}
        self._inherited: dict[TopicPartition, tuple[int, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._offsets)

    def begin(self, inherited: Inherited) -> None:
        """Hold these partitions, and no others."""
        self._offsets = dict(inherited.offsets)
        self._inherited = {
            tp: (inherited.ends[tp], mark.appended_at_ms if (mark := inherited.marks.get(tp)) else 0)
            for tp, offset in inherited.offsets.items()
            if offset < inherited.ends[tp]
        }

    def end(self) -> None:
        """Nothing is held any more."""
        self._offsets = {}
        self._inherited = {}

    def advance(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Worked off up to `offsets`, and everything that follows is appended."""
        self._offsets |= offsets

    def offsets(self) -> dict[TopicPartition, int]:
        return dict(self._offsets)

    def appended_at_ms(self, tp: TopicPartition, own_ms: int) -> int:
        """The time for a commit of `tp` now, when this process has appended last at `own_ms`."""
        if (inherited := self._inherited.get(tp)) is None:
            return own_ms
        end, at_ms = inherited
        if self._offsets[tp] < end:
            return at_ms
        del self._inherited[tp]
        return own_ms
