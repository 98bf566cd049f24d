"""Pure: which open transactions hang, and how they were to end."""

from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from shared.operations.hanging.transaction_log import LogEntry, TransactionState
from shared.operations.hanging.verdicts import Hanging, OpenTransaction, hanging

EMPTY, ONGOING, PREPARE_COMMIT, PREPARE_ABORT, COMPLETE_COMMIT, COMPLETE_ABORT = (
    TransactionState(number) for number in range(6)
)
HERE, THERE = TopicPartition("mt.statuses", 1), TopicPartition("lifecycle.events", 0)
OPEN = OpenTransaction(HERE, 7, 0, 3, 100)


def entry(state: TransactionState, *partitions: TopicPartition, epoch: int = 0, producer_id: int = 7) -> LogEntry:
    return LogEntry("throttler-0", producer_id, epoch, state, frozenset(partitions))


def test_what_is_under_way_does_not_hang() -> None:
    begun = [entry(EMPTY), entry(ONGOING, HERE)]
    assert hanging([OPEN], begun) == []
    assert hanging([OPEN], [*begun, entry(PREPARE_COMMIT, HERE)]) == []
    assert hanging([OPEN], [*begun, entry(PREPARE_ABORT, HERE, epoch=1)]) == []


def test_what_is_complete_and_open_hangs_and_ends_as_the_log_says() -> None:
    story = [entry(ONGOING, THERE), entry(ONGOING, THERE, HERE)]
    committed = [*story, entry(PREPARE_COMMIT, THERE, HERE), entry(COMPLETE_COMMIT)]
    assert hanging([OPEN], committed) == [Hanging(OPEN, "throttler-0", 0, "commit")]
    aborted = [*story, entry(PREPARE_ABORT, THERE, HERE, epoch=1), entry(COMPLETE_ABORT, epoch=1)]
    assert hanging([OPEN], aborted) == [Hanging(OPEN, "throttler-0", 1, "abort")]
    later = [*aborted, entry(EMPTY, epoch=2), entry(ONGOING, THERE, epoch=2), entry(COMPLETE_COMMIT, epoch=2)]
    assert hanging([OPEN], later) == [Hanging(OPEN, "throttler-0", 1, "abort")], "not as one ended that was elsewhere"
    assert hanging([OPEN], [*later, entry(ONGOING, THERE, epoch=2)]) == hanging([OPEN], later)


def test_where_the_log_does_not_say_how_it_ended_nobody_guesses() -> None:
    strangers = [entry(ONGOING, HERE, producer_id=8), entry(COMPLETE_COMMIT, producer_id=8)]
    assert hanging([OPEN], strangers) == [Hanging(OPEN, "", 0, "unknown")]
    compacted = [entry(COMPLETE_COMMIT, epoch=0)]
    assert hanging([OPEN], compacted) == [Hanging(OPEN, "throttler-0", 0, "unknown")]


@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from([HERE, THERE]), min_size=1), st.booleans(), st.booleans()),
        min_size=1,
        max_size=8,
    )
)
def test_the_last_transaction_of_a_partition_decides(
    transactions: list[tuple[set[TopicPartition], bool, bool]],
) -> None:
    """Whatever came before and after it, in whatever order its partitions were added."""
    log: list[LogEntry] = []
    expected = None
    for partitions, commits, one_by_one in transactions:
        parts = sorted(partitions)
        steps = [parts[: n + 1] for n in range(len(parts))] if one_by_one else [parts]
        log += [entry(ONGOING, *step) for step in steps]
        log.append(entry(PREPARE_COMMIT if commits else PREPARE_ABORT, *parts))
        log.append(entry(COMPLETE_COMMIT if commits else COMPLETE_ABORT))
        if HERE in partitions:
            expected = "commit" if commits else "abort"
    (verdict,) = hanging([OPEN], log)
    assert verdict.outcome == (expected or "unknown")
