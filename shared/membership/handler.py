"""Edge: what a stage reads, and the decisions that a service makes in it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiokafka import ConsumerRecord

from shared.kafka.records import Out
from shared.membership.inheritance import Inherited


@dataclass(frozen=True, slots=True)
class StageConfig:
    """What a stage reads and how.

    `group` is also its name. `cadence_ms`: how long after a fetch that brought something the next one is held back.
    `collect_ms`: how long the broker collects under load, or until it has `collect_bytes`, before it answers a fetch;
    for whoever wants few large batches, because it answers at the end of every period, with nothing if need be.
    """

    group: str
    topics: tuple[str, ...]
    cadence_ms: int = 0
    max_records: int = 500
    transactional: bool = False
    collect_ms: int = 0
    collect_bytes: int = 0


class GivenUp(Exception):
    """Raised by a handler that cannot finish a batch because the service is being stopped.

    Nothing of the batch is produced or committed: its records come again.
    """


class StageHandler:
    """The decisions of a stage. Subclasses override `handle`, and the rest where they hold state."""

    async def assigned(self, inherited: Inherited) -> None:
        """Restore what these partitions need; no record is handled before it returns. Called on every rebalance.

        It may take long, and then calls `Service.progress` with the stage's group whenever it has come further: a
        restore that does not for 30 s counts as dead, as any loop does.
        """

    async def revoked(self) -> None:
        """The offsets of all partitions are committed; another process may own them next."""

    async def handle(self, records: Sequence[ConsumerRecord], at_ms: int) -> Iterable[Out]:
        """Everything that follows from `records` at the time `at_ms`; dead letters are records too.

        `records` is empty when only `next_due_ms` has come. What it raises ends the process: a bad record must not.
        """
        raise TypeError(f"{type(self).__name__} does not handle records")

    def next_due_ms(self) -> int | None:
        """When `handle` shall be called without records, wall clock; None = only for records."""
        return None

    def mistakes_in_a_row(self) -> int:
        """For the mark of a commit (`schemas.commit_marks.StageMark`)."""
        return 0
