"""Pure: headers that are copied, and dead letters."""

from typing import NamedTuple

import pytest

from schemas.dead_letters import DLQ_HEADERS
from shared.kafka.records import Headers, dead_letter, trace_headers, traceparent_of

TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Record(NamedTuple):
    headers: Headers
    topic: str = "mt.requests"
    partition: int = 3
    offset: int = 9
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = b"{}"


@pytest.mark.parametrize("value", [TRACE, b"01" + TRACE[2:], b"01" + TRACE[2:] + b"-what-may-come", TRACE[:-1] + b"0"])
def test_a_trace_context_goes_on_untouched(value: bytes) -> None:
    record = Record((("x", b"1"), ("traceparent", value), ("y", None)))
    assert traceparent_of(record) == value
    assert trace_headers(record) == (("traceparent", value),)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"ff" + TRACE[2:],
        TRACE.upper(),
        TRACE[:-1],
        TRACE + b"\n",
        TRACE + b"-" + b"x" * 250,
        b"00-" + b"0" * 32 + TRACE[35:],
        TRACE[:36] + b"0" * 16 + b"-01",
        b"\xff" * 55,
        b"0" * 1_000_000,
    ],
)
def test_anything_else_under_its_name_is_left_behind(value: bytes | None) -> None:
    assert trace_headers(Record((("traceparent", value), ("traceparent", TRACE)))) == ()


def test_a_dead_letter_says_where_it_was_whatever_the_client_wrote() -> None:
    record = Record((("x", None), ("dlq_offset", b"1"), ("dlq_topic", None), ("x", b"2")))
    letter = dead_letter(record, reason="r", error="e" * 5_000, at_ms=1, service="s", field="f")
    assert letter.topic == "mt.requests.dlq"
    assert letter.headers[:2] == (("x", None), ("x", b"2"))
    ours = letter.headers[2:]
    assert tuple(name for name, _ in ours) == DLQ_HEADERS
    told = dict(ours)
    assert (told["dlq_topic"], told["dlq_partition"], told["dlq_offset"]) == (b"mt.requests", b"3", b"9")
    assert len(told["dlq_error"] or b"") == 1_000
