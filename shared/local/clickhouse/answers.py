"""Pure: the answers of the HTTP interface: whole ones, errors, and what ends a stream that failed on the way."""

import json
from dataclasses import dataclass

from shared.local.clickhouse.compression import pack
from shared.local.clickhouse.errors import ClickHouseError, http_status
from shared.local.clickhouse.frames import frame
from shared.local.clickhouse.requests import HttpRequest
from shared.local.clickhouse.results import QueryResult
from shared.process.visible import visible

HttpHeaders = list[tuple[bytes, bytes]]
SERVER_NAME = "chdb"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer: HTTP status, headers without the length, body."""

    status: int
    headers: HttpHeaders
    body: bytes = b""


def common_headers(query_id: str, timezone: str) -> HttpHeaders:
    """Return the headers of every answer; clients read times in the server's time zone."""
    return [
        (b"x-clickhouse-query-id", _header_value(query_id)),
        (b"x-clickhouse-timezone", timezone.encode()),
        (b"x-clickhouse-server-display-name", SERVER_NAME.encode()),
        (b"x-content-type-options", b"nosniff"),
    ]


def _header_value(text: str) -> bytes:
    """What a client chose, on one line: a line end of its own would begin a header of its own."""
    return visible(text).encode("utf-8", "replace")


def result_headers(request: HttpRequest, output_format: str) -> HttpHeaders:
    """Return the headers that describe a result set."""
    headers = [(b"x-clickhouse-format", _header_value(output_format)), (b"content-type", _content_type(output_format))]
    if request.answer_encoding:
        headers.append((b"content-encoding", request.answer_encoding.encode()))
    return headers


def _content_type(output_format: str) -> bytes:
    if output_format.startswith("JSON"):
        return b"application/json; charset=UTF-8"
    if output_format.startswith("CSV"):
        return b"text/csv; charset=UTF-8"
    if output_format.startswith(("TabSeparated", "TSV")):
        return b"text/tab-separated-values; charset=UTF-8"
    return b"application/octet-stream"


def summary_header(result: QueryResult) -> tuple[bytes, bytes]:
    """Return X-ClickHouse-Summary: counts as decimal texts, as a server writes them."""
    summary = {
        "read_rows": str(result.read_rows),
        "read_bytes": str(result.read_octets),
        "written_rows": str(result.written_rows),
        "written_bytes": str(result.written_octets),
        "result_rows": str(result.result_rows),
        "result_bytes": str(len(result.octets)),
        "elapsed_ns": str(result.elapsed_ns),
    }
    return b"x-clickhouse-summary", json.dumps(summary).encode()


def packed(request: HttpRequest, octets: bytes) -> bytes:
    """Return octets as the client wants them: framed, encoded, or as they are."""
    if request.answer_is_framed:
        return frame(octets)
    return pack(request.answer_encoding, octets)


def error_answer(error: ClickHouseError, headers: HttpHeaders) -> HttpAnswer:
    """Return the answer for a refusal or an error of the engine."""
    code = (b"x-clickhouse-exception-code", str(error.code).encode())
    content_type = (b"content-type", b"text/plain; charset=UTF-8")
    return HttpAnswer(http_status(error.code), [*headers, code, content_type], error.text.encode() + b"\n")


def stream_failure(error: ClickHouseError, tag: str) -> bytes:
    """Return what tells a client, after the first block, that the rest will not come (X-ClickHouse-Exception-Tag)."""
    text = error.text.encode() + b"\n"
    mark = tag.encode()
    return b"\r\n__exception__\r\n%s\r\n%s%d %s\r\n__exception__\r\n" % (mark, text, len(text), mark)
