"""Pure: one cycle over all partitions held: records in, everything that follows from them and from the time out."""

from collections.abc import Iterable
from typing import Final

from services.scheduler.partition import WaitingPartition
from shared.kafka.records import In, Out

WAKE_MAX: Final = 2_000
"""Entries that one cycle gives back at most: what comes in is not held up behind a hundred thousand of one second."""


class SchedulerCycle:
    """The partitions of the scheduler."""

    def __init__(self) -> None:
        self.partitions: dict[int, WaitingPartition] = {}

    @property
    def waiting(self) -> int:
        """How many messages wait."""
        return sum(partition.waiting for partition in self.partitions.values())

    def run(self, records: Iterable[In], at_ms: int) -> list[Out]:
        """What follows from `records` at `at_ms`. The outs of the call before are committed, or there is no other: what
        that call changed is made lasting first.
        """
        for partition in self.partitions.values():
            partition.save()
        for record in records:
            self.partitions[record.partition].take(record, at_ms)
        left = WAKE_MAX
        for partition in self.partitions.values():
            left -= partition.wake(at_ms, left)
        outs: list[Out] = []
        for partition in self.partitions.values():
            outs += partition.flush()
        return outs

    def next_due_ms(self) -> int | None:
        """When the first of them has something to do, by Kafka's clock."""
        times = [due for partition in self.partitions.values() if (due := partition.next_due_ms()) is not None]
        return min(times, default=None)
