"""Edge: two requests about transactions that aiokafka does not have: who has one open in a partition, and a marker."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

from shared.operations.hanging.verdicts import Hanging

_TEXT: Final = CompactString("utf-8")
_TAGS: Final = ("tags", TaggedFields)


class _Producers(Response):  # type: ignore[misc]  # aiokafka is untyped here
    API_KEY = 61
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("error_message", _TEXT),
                        (
                            "producers",
                            CompactArray(
                                ("producer_id", Int64),
                                ("producer_epoch", Int32),
                                ("last_sequence", Int32),
                                ("last_timestamp", Int64),
                                ("coordinator_epoch", Int32),
                                ("open_since_offset", Int64),
                                _TAGS,
                            ),
                        ),
                        _TAGS,
                    ),
                ),
                _TAGS,
            ),
        ),
        _TAGS,
    )


class _DescribeProducersV0(RequestStruct):  # type: ignore[misc]  # as above
    FLEXIBLE_VERSION = True
    API_KEY = 61
    API_VERSION = 0
    RESPONSE_TYPE = _Producers
    SCHEMA = Schema(("topics", CompactArray(("topic", _TEXT), ("partitions", CompactArray(Int32)), _TAGS)), _TAGS)


class DescribeProducers(Request[_DescribeProducersV0]):  # type: ignore[misc]  # as above
    """Of some partitions that one broker leads. Needs the right to read their topics."""

    API_KEY = 61

    def __init__(self, partitions: Iterable[TopicPartition]) -> None:
        self._topics = _by_topic(partitions)

    def build(self, request_struct_class: type[_DescribeProducersV0]) -> _DescribeProducersV0:
        return request_struct_class(self._topics, {})


class _Written(Response):  # type: ignore[misc]  # as above
    API_KEY = 27
    API_VERSION = 1
    SCHEMA = Schema(
        (
            "markers",
            CompactArray(
                ("producer_id", Int64),
                (
                    "topics",
                    CompactArray(
                        ("topic", _TEXT),
                        ("partitions", CompactArray(("partition", Int32), ("error_code", Int16), _TAGS)),
                        _TAGS,
                    ),
                ),
                _TAGS,
            ),
        ),
        _TAGS,
    )


class _WriteTxnMarkersV1(RequestStruct):  # type: ignore[misc]  # as above
    FLEXIBLE_VERSION = True
    API_KEY = 27
    API_VERSION = 1
    RESPONSE_TYPE = _Written
    SCHEMA = Schema(
        (
            "markers",
            CompactArray(
                ("producer_id", Int64),
                ("producer_epoch", Int16),
                ("committed", Boolean),
                ("topics", CompactArray(("topic", _TEXT), ("partitions", CompactArray(Int32)), _TAGS)),
                ("coordinator_epoch", Int32),
                _TAGS,
            ),
        ),
        _TAGS,
    )


class WriteTxnMarkers(Request[_WriteTxnMarkersV1]):  # type: ignore[misc]  # as above
    """The markers of transactions in partitions that one broker leads. Needs the right to alter the cluster."""

    API_KEY = 27

    def __init__(self, ended: Sequence[Hanging]) -> None:
        self._markers: list[tuple[Any, ...]] = [
            (
                one.open.producer_id,
                one.epoch,
                one.outcome == "commit",
                [(one.open.tp.topic, [one.open.tp.partition], {})],
                max(one.open.coordinator_epoch, 0),
                {},
            )
            for one in ended
        ]

    def build(self, request_struct_class: type[_WriteTxnMarkersV1]) -> _WriteTxnMarkersV1:
        return request_struct_class(self._markers, {})


def _by_topic(partitions: Iterable[TopicPartition]) -> list[tuple[str, list[int], dict[int, bytes]]]:
    topics: dict[str, list[int]] = {}
    for tp in sorted(partitions):
        topics.setdefault(tp.topic, []).append(tp.partition)
    return [(topic, numbers, {}) for topic, numbers in topics.items()]
