"""Pure: every stay under way on one connector, by dispatch partition, and how far the partition's feedback was read."""

from collections import OrderedDict
from collections.abc import Mapping

from schemas.commit_marks import ThrottlerMark
from schemas.feedback import Answer
from services.throttler.connector.stay import SegmentProgress, Stay


class PartitionLog:
    """One dispatch partition: its open stays in the order of their first dispatch, and the position in its feedback."""

    __slots__ = ("closed", "epoch", "next_offset", "open", "position")

    def __init__(self) -> None:
        self.position = 0
        self.epoch = 0
        self.next_offset = 0
        self.open: OrderedDict[str, Stay] = OrderedDict()
        self.closed: list[str] = []
        """Stays ended without an answer in this cycle."""

    def mark(self) -> ThrottlerMark:
        for stay in self.open.values():
            return ThrottlerMark(stay.first_offset, stay.feedback_from, stay.feedback_epoch)
        return ThrottlerMark(self.next_offset, self.position, self.epoch)


class UnderWay:
    """Finds the segment that an answer is for, and knows what is still open."""

    def __init__(self) -> None:
        self.logs: dict[int, PartitionLog] = {}
        self._by_id: dict[str, tuple[Stay, SegmentProgress]] = {}
        self._unplaced: dict[int, list[tuple[Stay, SegmentProgress]]] = {}

    def log(self, partition: int) -> PartitionLog:
        found = self.logs.get(partition)
        if found is None:
            found = self.logs[partition] = PartitionLog()
        return found

    def begin(self, stay: Stay, partition: int) -> None:
        """The first dispatch of `stay` goes to `partition`, where it stays."""
        log = self.log(partition)
        stay.partition = partition
        stay.feedback_from = log.position
        stay.feedback_epoch = log.epoch
        log.open[stay.key] = stay

    def dispatched(self, stay: Stay, segment: SegmentProgress, partition: int) -> None:
        self._by_id[stay.dispatch_id(segment)] = (stay, segment)
        self._unplaced.setdefault(partition, []).append((stay, segment))

    def placed(self, first_offsets: Mapping[int, int]) -> None:
        """Kafka has told the offset of the first dispatch of this cycle in each partition; the others follow it."""
        for partition, dispatches in self._unplaced.items():
            log = self.log(partition)
            for place, (stay, segment) in enumerate(dispatches):
                segment.offset = first_offsets[partition] + place
                if stay.first_offset < 0:
                    stay.first_offset = segment.offset
            log.next_offset = first_offsets[partition] + len(dispatches)
        self._unplaced.clear()

    def adopt(self, stay: Stay, partition: int) -> None:
        """A stay that the logs tell of."""
        stay.partition = partition
        self.log(partition).open[stay.key] = stay
        for segment in stay.segments.values():
            if stay.is_in_flight(segment):
                self._by_id[stay.dispatch_id(segment)] = (stay, segment)

    def take(self, partition: int, answer: Answer) -> tuple[Stay, SegmentProgress] | None:
        """What `answer` is for, which is in flight no more; None where nothing waits for it (late, or twice)."""
        found = self._by_id.pop(answer.id, None)
        if found is None and not answer.id:
            # A dispatch record that its bind could not decode is answered by its place alone.
            found = next((f for f in self._by_id.values() if _is_at(f, partition, answer.offset)), None)
            if found is not None:
                del self._by_id[found[0].dispatch_id(found[1])]
        return found

    def end(self, stay: Stay, *, unanswered: bool) -> None:
        """`stay` is over. `unanswered`: by a decision of ours, which a successor could not tell from the answers."""
        if stay.partition is not None:
            log = self.log(stay.partition)
            del log.open[stay.key]
            if unanswered:
                log.closed.append(stay.key)


def _is_at(found: tuple[Stay, SegmentProgress], partition: int, offset: int) -> bool:
    stay, segment = found
    return stay.partition == partition and segment.offset == offset
