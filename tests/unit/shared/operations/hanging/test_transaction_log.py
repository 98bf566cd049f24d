"""Pure: records of Kafka's transaction log, as a broker wrote them."""

import pytest
from aiokafka import TopicPartition

from shared.operations.hanging.transaction_log import LogEntry, TransactionState, entry_of

KEY = b"\x00\x00\x00\x11correlator-join-0"
ONGOING = bytes.fromhex(
    "0001 0000000000000000 0000 0000ea60 01 03 116c6966656379636c652e6576656e7473 02 00000001 00"
    "0c6d742e7374617475736573 03 00000000 00000002 00 000001a22fe18e84 000001a22fe18e84 0100080000000000000000"
)
COMPLETE = bytes.fromhex(
    "0001 0000000000000000 0000 0000ea60 04 01 000001a22fe18ec9 000001a22fe18e84 0100080000000000000000"
)
"""Version 1, of a Kafka 4.3.1."""
PARTITIONS = frozenset(
    {TopicPartition("lifecycle.events", 1), TopicPartition("mt.statuses", 0), TopicPartition("mt.statuses", 2)}
)


def test_an_entry_tells_whose_transaction_is_where_and_how_far() -> None:
    expected = LogEntry("correlator-join-0", 0, 0, TransactionState.ONGOING, PARTITIONS)
    assert entry_of(KEY, ONGOING) == expected


def test_a_complete_transaction_has_no_partitions_any_more() -> None:
    complete = LogEntry("correlator-join-0", 0, 0, TransactionState.COMPLETE_COMMIT, frozenset())
    assert entry_of(KEY, COMPLETE) == complete


@pytest.mark.parametrize(
    ("key", "value"),
    [(None, COMPLETE), (KEY, None), (b"\x00\x05\x00\x01a", COMPLETE), (KEY, b"\x00\x09" + COMPLETE[2:]),
     (KEY, COMPLETE[:9]), (b"\x00", COMPLETE), (KEY, b"")],
)  # fmt: skip
def test_what_it_does_not_know_it_passes_over(key: bytes | None, value: bytes | None) -> None:
    assert entry_of(key, value) is None
