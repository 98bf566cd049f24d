"""Pure: dead letters shown, and written back as they were."""

from typing import Any

import pytest
from aiokafka import ConsumerRecord

from schemas.dead_letters import DLQ_CUT_HEADERS, DLQ_HEADERS, REPLAYED_FROM
from shared.kafka.records import Out
from shared.operations.dead_letters import read_dead_letter, read_letter, replayed
from shared.operations.errors import Invalid

DLQ = {
    "dlq_topic": b"mt.segments.acme.otp", "dlq_partition": b"2", "dlq_offset": b"17",
    "dlq_timestamp_ms": b"1789999990000", "dlq_reason": b"not_decodable",
    "dlq_field": b"lane", "dlq_error": "größer".encode(), "dlq_at_ms": b"1790000000000", "dlq_service": b"throttler",
}  # fmt: skip


def record(*headers: tuple[str, bytes | None], value: bytes | None = b"{}") -> ConsumerRecord:
    return ConsumerRecord(
        topic="mt.segments.dlq", partition=0, offset=5, timestamp=1_790_000_000_001, timestamp_type=0, key=b"shop",
        value=value, checksum=None, serialized_key_size=4, serialized_value_size=2, headers=headers,
    )  # fmt: skip


def test_the_test_knows_all_headers() -> None:
    assert (*DLQ, *DLQ_CUT_HEADERS) == DLQ_HEADERS


def test_a_record_goes_back_as_it_was_with_a_mark() -> None:
    given = record(("traceparent", b"00-a-b-01"), *DLQ.items(), ("x", b"\xff"))
    mark = (REPLAYED_FROM, b"mt.segments.dlq/0/5")
    assert replayed(given) == Out(
        "mt.segments.acme.otp", b"shop", b"{}", (("traceparent", b"00-a-b-01"), ("x", b"\xff"), mark), 2
    )


def test_one_that_failed_again_has_one_mark() -> None:
    again = replayed(record((REPLAYED_FROM, b"mt.segments.dlq/0/1"), *DLQ.items()))
    assert again.headers == ((REPLAYED_FROM, b"mt.segments.dlq/0/5"),)


@pytest.mark.parametrize("topic", [b"mt.requests", b"mt.requests.otp"])
def test_a_request_says_when_it_was_first_accepted(topic: bytes) -> None:
    letter = DLQ | {"dlq_topic": topic}
    first = replayed(record(*letter.items()))
    assert dict(first.headers)["origin_timestamp_ms"] == b"1789999990000"
    again = replayed(record(*first.headers, *(letter | {"dlq_timestamp_ms": b"1790000000000"}).items()))
    assert [value for name, value in again.headers if name == "origin_timestamp_ms"] == [b"1789999990000"]
    assert "origin_timestamp_ms" not in dict(replayed(record(*DLQ.items())).headers)


def test_a_record_that_does_not_say_where_it_was_is_refused() -> None:
    for headers in [("traceparent", b"x")], [("dlq_topic", b"mt.requests"), ("dlq_partition", b"x")]:
        with pytest.raises(Invalid, match=r"mt\.segments\.dlq offset 5"):
            replayed(record(*headers))


def test_what_is_cut_says_so() -> None:
    assert read_letter(record(*DLQ.items(), ("dlq_value_length", b"3000000"))).is_cut
    assert read_letter(record(*(DLQ | {"dlq_reason": b"unreadable_batch"}).items())).is_cut
    assert not read_letter(record(*DLQ.items())).is_cut


def test_a_row_for_people_and_programs() -> None:
    row = read_dead_letter(record(*DLQ.items(), value=b"\xff" + b"x" * 500))
    assert (row.dlq, row.offset, row.at_ms) == ("mt.segments.dlq", 5, 1_790_000_000_001)
    assert (row.topic, row.partition, row.topic_offset) == ("mt.segments.acme.otp", 2, 17)
    assert (row.reason, row.field, row.error) == ("not_decodable", "lane", "größer")
    assert len(row.value) == 200
    assert read_dead_letter(record(value=None)).value == ""


def test_headers_of_another_program_are_shown_as_far_as_they_can_be_read() -> None:
    null: tuple[str, Any] = ("dlq_error", None)
    row = read_dead_letter(record(("dlq_partition", b"two"), null, ("dlq_topic", b"\xff")))
    assert (row.topic, row.partition, row.error) == ("\ufffd", -1, "")
