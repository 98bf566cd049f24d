"""Pure: which open transactions nobody will ever end, and how each of them ended in Kafka's own eyes.

A broker ends a transaction by a marker in each of its partitions, and says in its transaction log that it is complete.
Kafka 4.1 to 4.3 passes over a partition that has no leader at that moment (KAFKA-20734), as all of them do for some
milliseconds after a broker that stands alone was stopped or its machine stood still: the log says complete, and in
the partition the transaction is open for ever. Whoever reads only what is committed stands still there.

What the marker would have said stands in the log, so it can be written later, and nothing is lost or doubled by it.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

from aiokafka import TopicPartition

from shared.operations.hanging.transaction_log import LogEntry, TransactionState

Ending = Literal["commit", "abort", "unknown"]

_UNDER_WAY: Final = frozenset(
    {
        TransactionState.ONGOING,
        TransactionState.PREPARE_COMMIT,
        TransactionState.PREPARE_ABORT,
        TransactionState.PREPARE_EPOCH_FENCE,
    }
)
_OUTCOMES: Final[dict[TransactionState, Ending]] = {
    TransactionState.PREPARE_COMMIT: "commit",
    TransactionState.COMPLETE_COMMIT: "commit",
    TransactionState.PREPARE_ABORT: "abort",
    TransactionState.COMPLETE_ABORT: "abort",
}


class OpenTransaction(NamedTuple):
    """One in one partition, as its leader sees it: `since` is the offset of its first record there."""

    tp: TopicPartition
    producer_id: int
    epoch: int
    coordinator_epoch: int
    since: int


class Hanging(NamedTuple):
    """An open transaction that its coordinator counts as over. `epoch` is that of the marker that is missing;
    `transactional_id` is empty, and the outcome unknown, where the log says nothing of it."""

    open: OpenTransaction
    transactional_id: str
    epoch: int
    outcome: Ending


def hanging(opened: Iterable[OpenTransaction], log: Iterable[LogEntry]) -> list[Hanging]:
    """Those of `opened` that nobody will end. `log`: all of it, read after `opened` was, in its order."""
    wanted = list(opened)
    stories: dict[int, list[LogEntry]] = {one.producer_id: [] for one in wanted}
    for entry in log:
        if entry.producer_id in stories:
            stories[entry.producer_id].append(entry)
    found = (_verdict(one, stories[one.producer_id]) for one in wanted)
    return [verdict for verdict in found if verdict is not None]


def _verdict(opened: OpenTransaction, story: Sequence[LogEntry]) -> Hanging | None:
    """None where it is under way."""
    if not story:
        return Hanging(opened, "", opened.epoch, "unknown")
    last = story[-1]
    if last.state in _UNDER_WAY and opened.tp in last.partitions:
        return None
    begun = max((n for n, entry in enumerate(story) if _holds(entry, opened.tp)), default=None)
    for entry in story[begun:] if begun is not None else ():
        if (outcome := _OUTCOMES.get(entry.state)) is not None:
            return Hanging(opened, last.transactional_id, max(opened.epoch, entry.epoch), outcome)
    return Hanging(opened, last.transactional_id, opened.epoch, "unknown")


def _holds(entry: LogEntry, tp: TopicPartition) -> bool:
    return entry.state is TransactionState.ONGOING and tp in entry.partitions
