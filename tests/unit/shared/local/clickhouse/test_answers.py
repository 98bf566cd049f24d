"""Unit tests of answers."""

import json

from shared.local.clickhouse.answers import error_answer, packed, result_headers, stream_failure, summary_header
from shared.local.clickhouse.errors import READONLY, ClickHouseError
from shared.local.clickhouse.frames import FrameDecoder
from shared.local.clickhouse.native import empty_block
from shared.local.clickhouse.requests import parse_request
from shared.local.clickhouse.results import QueryResult


def test_errors_carry_code_text_and_status() -> None:
    answer = error_answer(ClickHouseError(READONLY, "No."), [(b"x", b"y")])
    assert (answer.status, answer.body) == (500, b"Code: 164. DB::Exception: No. (READONLY)\n")
    assert (b"x-clickhouse-exception-code", b"164") in answer.headers
    assert (b"x", b"y") in answer.headers


def test_stream_failure_ends_with_the_length_of_its_text() -> None:
    octets = stream_failure(ClickHouseError(READONLY, "No."), "0123456789abcdef")
    text = b"Code: 164. DB::Exception: No. (READONLY)\n"
    assert octets == (
        b"\r\n__exception__\r\n0123456789abcdef\r\n" + text + b"%d 0123456789abcdef\r\n__exception__\r\n" % len(text)
    )


def test_summary_counts_are_texts() -> None:
    name, value = summary_header(QueryResult(b"abc", 1, 2, 3, 4, 5, 6))
    assert name == b"x-clickhouse-summary"
    summary = json.loads(value)
    assert (summary["written_rows"], summary["result_bytes"], summary["elapsed_ns"]) == ("3", "3", "6")


def test_results_are_framed_or_packed_as_asked() -> None:
    framed = parse_request("GET", "compress=1", {}, "q")
    assert FrameDecoder().feed(packed(framed, b"abc")) == b"abc"
    plain = parse_request("GET", "", {}, "q")
    assert packed(plain, b"abc") == b"abc"
    zipped = parse_request("GET", "enable_http_compression=1", {"accept-encoding": "gzip"}, "q")
    assert (b"content-encoding", b"gzip") in result_headers(zipped, "CSV")
    assert packed(zipped, b"abc")[:2] == b"\x1f\x8b"


def test_an_empty_native_block_names_its_columns() -> None:
    assert empty_block([("a", "UInt8"), ("b" * 200, "String")]) == (
        b"\x02\x00" + b"\x01a\x05UInt8" + b"\xc8\x01" + b"b" * 200 + b"\x06String"
    )
    assert empty_block([]) == b""
