"""Pure: one cycle over all partitions held: records and commands in, everything that follows from them, and from the
time, out."""

from collections.abc import Iterable
from typing import Final

from schemas.commands import Command
from services.scheduler.partition import WaitingPartition
from shared.kafka.records import In, Out, partition_of

WAKE_MAX: Final = 2_000
"""Entries that one cycle gives back at most: what comes in is not held up behind a hundred thousand of one second."""


class SchedulerCycle:
    """The partitions of the scheduler that are held, of `count`."""

    def __init__(self, count: int) -> None:
        self.count: Final = count
        self.partitions: dict[int, WaitingPartition] = {}

    @property
    def waiting(self) -> int:
        """How many messages wait."""
        return sum(partition.waiting for partition in self.partitions.values())

    def run(self, records: Iterable[In], commands: Iterable[In], at_ms: int, until_ms: int) -> list[Out]:
        """What follows from `records` and `commands` at `at_ms`; what is due at `until_ms` goes.

        The outs of the call before are committed, or there is no other: what that call changed is made lasting first.
        """
        for partition in self.partitions.values():
            partition.save()
        for command in commands:
            self._command(command, at_ms)
        for record in records:
            self.partitions[record.partition].take(record, at_ms)
        left = WAKE_MAX
        for partition in self.partitions.values():
            left -= partition.wake(at_ms, min(at_ms, until_ms), left)
        outs: list[Out] = []
        for partition in self.partitions.values():
            outs += partition.flush()
        return outs

    def _command(self, record: In, at_ms: int) -> None:
        """Every process reads all commands. What is none is refused by whoever holds the partition of its number."""
        try:
            command = Command.from_json(record.value or b"")
        except ValueError as error:
            command = None
            if (judge := self.partitions.get(record.partition % self.count)) is not None:
                judge.refuse(record, error, at_ms)
        only = None
        if command is not None and command.message_id is not None:
            only = partition_of(command.message_id.encode(), self.count)
        for number, partition in self.partitions.items():
            partition.command(record, command if only in (None, number) else None, at_ms)

    def next_due_ms(self) -> int | None:
        """When the first of them has something to do, by Kafka's clock."""
        times = [due for partition in self.partitions.values() if (due := partition.next_due_ms()) is not None]
        return min(times, default=None)
