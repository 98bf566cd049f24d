"""Pure: one cycle of step two over all partitions held: outcomes in, everything that follows from them out."""

from collections.abc import Sequence

from schemas.outcomes import Outcome
from services.correlator.fold.partition import FoldPartition
from services.correlator.join.cycle import SERVICE
from shared.kafka.records import In, Out, dead_letter_of_error, trace_headers


class FoldCycle:
    """The partitions of the fold."""

    def __init__(self) -> None:
        self.partitions: dict[int, FoldPartition] = {}

    def take(self, records: Sequence[In], at_ms: int) -> list[Out]:
        """Read `records`; returns the dead letters. The rest comes with `flush`."""
        outs: list[Out] = []
        for record in records:
            try:
                outcome = _read(record)
            except ValueError as error:
                outs.append(dead_letter_of_error(record, error, at_ms=at_ms, service=SERVICE))
                continue
            partition = self.partitions[record.partition]
            if partition.table.read_to(record.topic, record.offset):
                partition.outcome(outcome, record.timestamp, trace_headers(record))
        return outs

    def flush(self, at_ms: int) -> list[Out]:
        """Forget what is over at `at_ms`, then everything that follows from this cycle, the changelog included."""
        outs: list[Out] = []
        for partition in self.partitions.values():
            partition.expire(at_ms)
            outs += partition.flush()
        return outs

    def next_due_ms(self) -> int | None:
        """When to forget closed marks without a record, by Kafka's clock."""
        times = [due for p in self.partitions.values() if (due := p.next_due_ms()) is not None]
        return min(times, default=None)


def _read(record: In) -> Outcome:
    outcome = Outcome.from_json(record.value or b"")
    if not 1 <= outcome.index <= outcome.segments:
        raise ValueError(f"index {outcome.index} is not within 1 to segments ({outcome.segments})")
    return outcome
