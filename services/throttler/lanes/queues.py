"""Pure: what waits in the throttler's own memory: stays under way with segments to dispatch, and heads of the lanes."""

from collections import deque
from typing import NamedTuple

from services.throttler.connector.stay import Stay


class Head(NamedTuple):
    """A lane record that was read and not begun: its offset is not committed."""

    partition: int
    offset: int
    stay: Stay


class LaneQueue:
    """One lane of one connector. `begun` goes before `heads`: it is what was dispatched before, or in part."""

    __slots__ = ("_positions", "_unbegun", "begun", "heads")

    def __init__(self) -> None:
        self.begun: deque[Stay] = deque()
        self.heads: deque[Head] = deque()
        self._unbegun: dict[int, deque[int]] = {}
        self._positions: dict[int, int] = {}

    def read(self, partition: int, offset: int, stay: Stay | None) -> None:
        """A record was read; `stay` None: it needs no dispatch (a repeat, or a dead letter)."""
        self._positions[partition] = offset + 1
        if stay is not None:
            self.heads.append(Head(partition, offset, stay))
            self._unbegun.setdefault(partition, deque()).append(offset)

    def pass_markers(self, partition: int, position: int) -> None:
        """Everything before `position` was read: behind the last record lie markers of transactions and fences."""
        self._positions[partition] = max(position, self._positions.get(partition, 0))

    def pop_head(self) -> Stay:
        """The head is begun, or ended: its offset may be committed."""
        head = self.heads.popleft()
        self._unbegun[head.partition].popleft()
        return head.stay

    def offsets(self) -> dict[int, int]:
        """What may be committed, by partition: the first record that is not begun, else behind the last one read."""
        return {p: self._unbegun[p][0] if self._unbegun.get(p) else position for p, position in self._positions.items()}
