"""Pure: where a request was first written."""

import pytest

from services.ingress.place import RequestPlace, headers_of_copy, home_partition, place_of
from shared.kafka.records import murmur2_partition
from shared.messages.request_key import home_key
from tests.unit.ingress.scene import AT_MS, Record

TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_record_is_where_it_lies() -> None:
    assert place_of(Record(b"", partition=2, offset=9)) == RequestPlace(2, 9, AT_MS)


def test_a_copy_keeps_its_first_place_and_so_its_identity() -> None:
    first = Record(b"v", partition=2, offset=9, headers=[("traceparent", TRACE), ("x", b"1" * 9000)])
    headers = headers_of_copy(first, place_of(first))
    copy = Record(b"v", partition=0, offset=4, timestamp=AT_MS + 30, headers=headers)
    assert place_of(copy) == RequestPlace(2, 9, AT_MS, moved=True)
    assert place_of(copy).message_id(copy.topic) == place_of(first).message_id(first.topic)
    assert ("traceparent", TRACE) in headers
    assert "x" not in dict(headers)


def test_a_replayed_dead_letter_keeps_its_time_and_no_more() -> None:
    headers = [("origin_timestamp_ms", str(AT_MS - 60_000).encode()), ("replayed_from", b"mt.requests.dlq/0/5")]
    replayed = Record(b"v", partition=2, offset=9, headers=headers)
    assert place_of(replayed) == RequestPlace(2, 9, AT_MS - 60_000)
    other = Record(b"v", partition=2, offset=10, headers=headers)
    assert place_of(replayed).message_id("mt.requests") != place_of(other).message_id("mt.requests")


@pytest.mark.parametrize(
    "headers",
    [
        [("origin_timestamp_ms", str(AT_MS - 60_000).encode())],
        [("origin_timestamp_ms", str(AT_MS + 1).encode()), ("replayed_from", b"x")],
        [("origin_timestamp_ms", b"0"), ("replayed_from", b"x")],
        [("origin_timestamp_ms", b""), ("replayed_from", b"x")],
        [("replayed_from", b"x")],
    ],
)
def test_a_time_that_nobody_replayed_or_that_cannot_be_is_not_believed(headers: list[tuple[str, bytes]]) -> None:
    assert place_of(Record(b"", partition=2, offset=9, headers=headers)) == RequestPlace(2, 9, AT_MS)


@pytest.mark.parametrize(
    ("partition", "offset", "timestamp"),
    [
        (b"x", b"9", str(AT_MS).encode()),
        (b"-1", b"9", str(AT_MS).encode()),
        (b"1", b"", str(AT_MS).encode()),
        (b"1", None, str(AT_MS).encode()),
        (b"1", b"9" * 30, str(AT_MS).encode()),
        (b"1", b"9", str(AT_MS + 1).encode()),
        (b"1", b"9", b"0"),
        (b"1", b"\xb2", str(AT_MS).encode()),
    ],
)
def test_headers_that_cannot_be_an_origin_are_as_good_as_none(
    partition: bytes, offset: bytes, timestamp: bytes
) -> None:
    headers = [("origin_partition", partition), ("origin_offset", offset), ("origin_timestamp_ms", timestamp)]
    assert place_of(Record(b"", partition=2, offset=9, headers=headers)) == RequestPlace(2, 9, AT_MS)


def test_a_clients_default_partitioner_brings_a_keyed_record_home() -> None:
    """murmur2 as Kafka's own tests have it for this string, its sign dropped, modulo the count."""
    assert murmur2_partition(b"a-little-bit-long-string", 1000) == (-985981536 & 0x7FFFFFFF) % 1000
    assert home_key("shop", "order-1") == b"shop:order-1"
    assert {home_partition("shop", f"order-{n}", 4) for n in range(40)} == {0, 1, 2, 3}
    assert home_partition("shop", "order-1", 1) == 0
