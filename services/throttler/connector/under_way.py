"""Pure: every run under way on one connector, by dispatch partition, and how far the partition's feedback was read."""

from collections import OrderedDict
from collections.abc import Mapping

from schemas.commit_marks import ThrottlerMark
from schemas.feedback import Answer
from services.throttler.connector.stay import Piece, Run


class PartitionLog:
    """One dispatch partition: its open runs in the order of their first dispatch, and the position in its feedback."""

    __slots__ = ("closed", "epoch", "next_offset", "open", "position")

    def __init__(self, position: int = 0, epoch: int = 0, next_offset: int = 0) -> None:
        self.position = position
        self.epoch = epoch
        self.next_offset = next_offset
        self.open: OrderedDict[str, Run] = OrderedDict()
        self.closed: list[str] = []
        """Runs ended without an answer in this cycle."""

    def mark(self) -> ThrottlerMark:
        for run in self.open.values():
            return ThrottlerMark(run.first_offset, run.feedback_from, run.feedback_epoch)
        return ThrottlerMark(self.next_offset, self.position, self.epoch)


class UnderWay:
    """Finds the segment that an answer is for, and knows what is still open."""

    def __init__(self) -> None:
        self.logs: dict[int, PartitionLog] = {}
        self._by_id: dict[str, tuple[Run, Piece]] = {}
        self._unplaced: dict[int, list[tuple[Run, Piece]]] = {}

    def log(self, partition: int) -> PartitionLog:
        found = self.logs.get(partition)
        if found is None:
            found = self.logs[partition] = PartitionLog()
        return found

    def begin(self, run: Run, partition: int) -> None:
        """The first dispatch of `run` goes to `partition`, where it stays."""
        log = self.log(partition)
        run.partition = partition
        run.feedback_from = log.position
        run.feedback_epoch = log.epoch
        log.open[run.key] = run

    def dispatched(self, run: Run, piece: Piece, partition: int) -> None:
        self._by_id[run.dispatch_id(piece)] = (run, piece)
        self._unplaced.setdefault(partition, []).append((run, piece))

    def placed(self, first_offsets: Mapping[int, int]) -> None:
        """Kafka has told the offset of the first dispatch of this cycle in each partition; the others follow it."""
        for partition, dispatches in self._unplaced.items():
            log = self.log(partition)
            for place, (run, piece) in enumerate(dispatches):
                piece.offset = first_offsets[partition] + place
                if run.first_offset < 0:
                    run.first_offset = piece.offset
            log.next_offset = first_offsets[partition] + len(dispatches)
        self._unplaced.clear()

    def adopt(self, run: Run, partition: int) -> None:
        """A run that the logs tell of."""
        run.partition = partition
        self.log(partition).open[run.key] = run
        for piece in run.pieces.values():
            if run.is_in_flight(piece):
                self._by_id[run.dispatch_id(piece)] = (run, piece)

    def take(self, partition: int, answer: Answer) -> tuple[Run, Piece] | None:
        """What `answer` is for, which is in flight no more; None where nothing waits for it (late, or twice)."""
        found = self._by_id.pop(answer.id, None)
        if found is None and not answer.id:
            # A dispatch record that its bind could not decode is answered by its place alone.
            found = next((f for f in self._by_id.values() if _is_at(f, partition, answer.offset)), None)
            if found is not None:
                del self._by_id[found[0].dispatch_id(found[1])]
        return found

    def end(self, run: Run, *, unanswered: bool) -> None:
        """`run` is over. `unanswered`: by a decision of ours, which a successor could not tell from the answers."""
        if run.partition is not None:
            log = self.log(run.partition)
            del log.open[run.key]
            if unanswered:
                log.closed.append(run.key)


def _is_at(found: tuple[Run, Piece], partition: int, offset: int) -> bool:
    run, piece = found
    return run.partition == partition and piece.offset == offset
