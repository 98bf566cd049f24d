"""Pure: headers that are copied, and dead letters."""

from hashlib import sha256
from typing import NamedTuple

import pytest

from schemas.dead_letters import DLQ_CUT_HEADERS, DLQ_HEADERS
from schemas.record_limits import KEPT_OCTETS
from shared.kafka.records import Headers, cut_to_fit, dead_letter, trace_headers, traceparent_of
from shared.kafka.withheld import too_large

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
    assert (*(name for name, _ in ours), *DLQ_CUT_HEADERS) == DLQ_HEADERS
    told = dict(ours)
    assert (told["dlq_topic"], told["dlq_partition"], told["dlq_offset"]) == (b"mt.requests", b"3", b"9")
    assert len(told["dlq_error"] or b"") == 1_000


def test_a_dead_letter_is_cut_to_what_fits_and_once() -> None:
    record = Record((("x", b"1"), ("dlq_value_length", b"7")), value=b"v" * 20_000)
    letter = dead_letter(record, reason="r", error="e", at_ms=1, service="s")
    assert cut_to_fit(letter, 21_000) is letter
    cut = cut_to_fit(letter, 20_000)
    told = dict(cut.headers)
    assert (cut.value, told["x"], told["dlq_reason"]) == (b"v" * KEPT_OCTETS, b"1", b"r")
    assert (told["dlq_value_length"], told["dlq_value_sha256"]) == (
        b"20000",
        sha256(b"v" * 20_000).hexdigest().encode(),
    )
    assert dict(cut_to_fit(cut, 10).headers) == told


def test_what_was_withheld_is_told_by_its_dead_letter_whatever_the_service_says() -> None:
    value = too_large(b"st", 5_000_000, "ab", key_length=9, headers=1, octets_max=3, headers_max=4)
    letter = dead_letter(Record((), value=value), reason="not_an_object", error="e", at_ms=1, service="s", field="f")
    told = dict(letter.headers)
    assert (letter.value, told["dlq_reason"], told["dlq_field"]) == (b"st", b"too_large", b"")
    assert (told["dlq_key_length"], told["dlq_value_length"], told["dlq_value_sha256"]) == (b"9", b"5000000", b"ab")
