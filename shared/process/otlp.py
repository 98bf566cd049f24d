"""Edge: spans to an OpenTelemetry collector: OTLP over HTTP, by a thread of the library, which is known only here.

Where the collector is away, or slow, spans are dropped; nobody waits, and a line a minute says so.
"""

import logging
import os
import threading
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from shared.messages.message_spans import MessageSpan
from shared.process.clock import monotonic_s

STOP_S: Final = 3.0
SAY_EVERY_S: Final = 60.0
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


class OtlpSpans:
    """Spans of one process; `OTEL_*` variables say where to, with which headers, certificates and bounds."""

    def __init__(self, service: str, instance: str) -> None:
        complain_seldom()
        self._resource: Final = resource_of(service, instance)
        self._scope: Final = InstrumentationScope("smsgw")
        self._processor: Final = BatchSpanProcessor(OTLPSpanExporter())

    def take(self, span: MessageSpan) -> None:
        """Returns at once; what the library cannot hold is dropped."""
        self._processor.on_end(
            ReadableSpan(
                span.name,
                _context(span.trace_id, span.span_id),
                _context(span.trace_id, span.parent_id) if span.parent_id else None,
                self._resource,
                span.attributes,
                links=[Link(_context(*link)) for link in span.links],
                kind=SpanKind.CLIENT if span.to_outside else SpanKind.CONSUMER,
                status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET),
                start_time=span.began_ns,
                end_time=span.ended_ns,
                instrumentation_scope=self._scope,
            )
        )

    def stop(self) -> None:
        """Send what is left, if that can be done within `STOP_S`."""
        stopping = threading.Thread(target=self._processor.shutdown, daemon=True, name="otlp-stop")
        stopping.start()
        stopping.join(STOP_S)


def resource_of(service: str, instance: str) -> Resource:
    """Who tells; `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` may say otherwise."""
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": f"smsgw-{service}"}
    return Resource.create({"service.namespace": "smsgw", "service.instance.id": instance} | named)


def complain_seldom() -> None:
    """Have what the library says about a collector that is away said once a minute.

    On the handlers: a filter of a logger does not see what loggers below it say.
    """
    for handler in logging.getLogger().handlers:
        if not any(isinstance(one, _OnceAMinute) for one in handler.filters):
            handler.addFilter(_OnceAMinute())


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=_SAMPLED)


class _OnceAMinute(logging.Filter):
    """What the library complains about, it would complain about with every batch. Nothing else is held back."""

    def __init__(self) -> None:
        super().__init__()
        self._silent_until_s = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("opentelemetry"):
            return True
        if monotonic_s() < self._silent_until_s:
            return False
        self._silent_until_s = monotonic_s() + SAY_EVERY_S
        return True
