"""Edge: an OpenTelemetry collector as small as can be: takes spans over OTLP/HTTP and keeps them."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass(frozen=True)
class ReceivedSpan:
    """Ids in hexadecimal, empty where there is none."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    links: list[tuple[str, str]]
    took_ms: float
    error: str


class OtlpReceiver(ThreadingHTTPServer):
    """`spans` grows as they come; `metrics` holds the last value of each: (service, name, labels) -> value, of a
    histogram its count."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taker)
        self.spans: list[ReceivedSpan] = []
        self.metrics: dict[tuple[str, str, tuple[tuple[str, str], ...]], float] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def of_message(self, message_id: str) -> list[ReceivedSpan]:
        return [span for span in self.spans if span.attributes.get("smsgw.message_id") == message_id]


class _Taker(BaseHTTPRequestHandler):
    server: OtlpReceiver

    def do_POST(self) -> None:  # the name is the library's
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path == "/v1/metrics":
            self.server.metrics |= dict(_values(ExportMetricsServiceRequest.FromString(body)))
            self._answer(ExportMetricsServiceResponse().SerializeToString())
            return
        assert self.path == "/v1/traces"
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = {one.key: one.value.string_value for one in of_resource.resource.attributes}["service.name"]
            for of_scope in of_resource.scope_spans:
                self.server.spans += [_read(service, span) for span in of_scope.spans]
        self._answer(ExportTraceServiceResponse().SerializeToString())

    def _answer(self, octets: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.end_headers()
        self.wfile.write(octets)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the library's
        """Spans are kept, not told."""


def _values(request: Any) -> Iterator[tuple[tuple[str, str, tuple[tuple[str, str], ...]], float]]:
    for of_resource in request.resource_metrics:
        service = {one.key: one.value.string_value for one in of_resource.resource.attributes}["service.name"]
        for metric in (metric for scope in of_resource.scope_metrics for metric in scope.metrics):
            kind = metric.WhichOneof("data")
            for point in getattr(metric, kind).data_points if kind else ():
                labels = tuple(sorted((one.key, one.value.string_value) for one in point.attributes))
                value = point.count if kind == "histogram" else getattr(point, point.WhichOneof("value"))
                yield (service, metric.name, labels), float(value)


def _read(service: str, span: Any) -> ReceivedSpan:
    return ReceivedSpan(
        service,
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes},
        [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
        (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6,
        span.status.message,
    )


@contextmanager
def otlp_receiver() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()
