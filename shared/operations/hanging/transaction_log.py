"""Pure: the records of `__transaction_state`, in which Kafka keeps what became of every transaction."""

from enum import IntEnum
from io import BytesIO
from typing import Any, Final, NamedTuple

from aiokafka import TopicPartition
from aiokafka.protocol.types import (
    Array,
    CompactArray,
    CompactString,
    Int8,
    Int16,
    Int32,
    Int64,
    Schema,
    String,
    TaggedFields,
)

TRANSACTION_LOG: Final = "__transaction_state"


class TransactionState(IntEnum):
    """As Kafka numbers them."""

    EMPTY = 0
    ONGOING = 1
    PREPARE_COMMIT = 2
    PREPARE_ABORT = 3
    COMPLETE_COMMIT = 4
    COMPLETE_ABORT = 5
    DEAD = 6
    PREPARE_EPOCH_FENCE = 7


class LogEntry(NamedTuple):
    """What the log says of a transactional id at one moment. `partitions` is empty once a transaction is complete."""

    transactional_id: str
    producer_id: int
    epoch: int
    state: TransactionState
    partitions: frozenset[TopicPartition]


_KEY: Final = Schema(("version", Int16), ("transactional_id", String("utf-8")))
_HEAD: Final = (
    ("producer_id", Int64),
    ("epoch", Int16),
    ("timeout_ms", Int32),
    ("state", Int8),
)
_VALUES: Final = {
    0: Schema(*_HEAD, ("topics", Array(("topic", String("utf-8")), ("partitions", Array(Int32))))),
    1: Schema(
        *_HEAD,
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")), ("partitions", CompactArray(Int32)), ("tags", TaggedFields)
            ),
        ),
    ),
}
"""Version by version, up to what is of use here."""


def entry_of(key: bytes | None, value: bytes | None) -> LogEntry | None:
    """The entry in a record; None where it is of a version that is not known here, or deletes an id."""
    if key is None or value is None:
        return None
    try:
        version, transactional_id = _KEY.decode(BytesIO(key))
        body = BytesIO(value)
        schema = _VALUES.get(Int16.decode(body))
        if version != 0 or schema is None:
            return None
        producer_id, epoch, _, state, topics = schema.decode(body)
        return LogEntry(transactional_id, producer_id, epoch, TransactionState(state), _partitions(topics))
    except (ValueError, TypeError):
        return None


def _partitions(topics: list[tuple[Any, ...]] | None) -> frozenset[TopicPartition]:
    return frozenset(TopicPartition(topic, number) for topic, numbers, *_ in topics or () for number in numbers)
