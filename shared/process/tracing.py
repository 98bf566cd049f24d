"""Edge: traces by OpenTelemetry: off unless `OTEL_EXPORTER_OTLP_ENDPOINT` (or `..._TRACES_ENDPOINT`) is set.

What is told of a message: `shared.messages.message_spans`. Spans are sent by a thread of the library; where the
collector is away they are dropped, and a line a minute says so. The library is imported only where it is used.
"""

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Final

from shared.kafka.records import Out, trace_headers
from shared.messages.message_spans import MessageSpan, SmscExchange, is_told, span_of_event, span_of_submit, trace_of
from shared.messages.trace_ids import Sampler, own_trace_id, sampler_of, span_id
from shared.process.clock import monotonic_s, now_ms

log = logging.getLogger(__name__)

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
SLOW_VARIABLE: Final = "SMSGW_TRACE_SLOW_MS"
SLOW_MS: Final = 10_000
"""From the request to the socket: a submit that took longer is told of, traced or not."""

LINKS_MAX: Final = 32
REMEMBERED_MAX: Final = 4096


class BadTracing(Exception):
    """An OTEL_ variable is wrong; the message is a sentence. Exit code 2."""


class _Cycle:
    """One cycle of a stage; several stages of a process have theirs at the same time."""

    def __init__(self) -> None:
        self.began_ns: Final = now_ms() * 1_000_000
        self._began_s: Final = monotonic_s()
        self.told: Final[list[MessageSpan]] = []

    def now_ns(self) -> int:
        """Kafka's time, as fine as this machine's clock."""
        return self.began_ns + int((monotonic_s() - self._began_s) * 1e9)


_cycle: ContextVar[_Cycle | None] = ContextVar("traced-cycle", default=None)


class MessageTracing:
    """What a process tells of its messages. `export` takes spans, in the event loop, and must not wait."""

    def __init__(self, service: str, sampler: Sampler, slow_ms: int, export: Callable[[MessageSpan], None]) -> None:
        self._service: Final = service
        self._sampler: Final = sampler
        self._slow_ms: Final = slow_ms
        self._export: Final = export
        self.trace_ids: Final[dict[str, int]] = {}
        """Of messages told of lately, for the lines of a log."""

    def begin(self) -> None:
        """A cycle of a stage begins: what this task writes until `end` was decided in it."""
        _cycle.set(_Cycle())

    def wrote(self, outs: Iterable[Out]) -> None:
        """Kafka has these records: those that are events of traced messages become spans."""
        try:
            told = [out for out in outs if is_told(out, self._sampler, self._slow_ms)]
            if told:
                self._tell(told)
        except Exception:  # whatever is wrong with a span, messages go on
            log.exception("a span was lost")

    def _tell(self, told: list[Out]) -> None:
        cycle = _cycle.get() or _Cycle()
        ended_ns = cycle.now_ns()
        for out in told:
            span = span_of_event(self._service, out, cycle.began_ns, ended_ns)
            self._export(span)
            self._remember(span)
            if len(cycle.told) < LINKS_MAX:
                cycle.told.append(span)

    def _remember(self, span: MessageSpan) -> None:
        self.trace_ids[str(span.attributes["smsgw.message_id"])] = span.trace_id
        if len(self.trace_ids) > REMEMBERED_MAX:
            del self.trace_ids[next(iter(self.trace_ids))]

    def end(self, stage: str, records: int) -> None:
        """A cycle is over; one in which traced messages were has a span of its own, linked to them."""
        cycle = _cycle.get()
        _cycle.set(None)
        if cycle is None or not cycle.told:
            return
        attributes = {
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.operation.name": "cycle",
            "messaging.consumer.group.name": stage,
            "messaging.batch.message_count": records,
        }
        own = span_id(cycle.told[0].span_id, stage, cycle.began_ns)
        links = tuple((span.trace_id, span.span_id) for span in cycle.told)
        self._export(
            MessageSpan(
                f"{stage} cycle", own_trace_id(str(own)), own, 0, cycle.began_ns, cycle.now_ns(), attributes, "", links
            )
        )

    def submitted(self, submit: SmscExchange) -> None:
        """The SMSC answered (or did not) what was written to its socket."""
        try:
            context = trace_of(trace_headers(submit.record))
            if self._sampler.takes(submit.message_id.encode(), context):
                self._export(span_of_submit(submit, context))
        except Exception:
            log.exception("a span was lost")


_active: MessageTracing | None = None


def active() -> MessageTracing | None:
    """None where nothing is traced."""
    return _active


def trace_id_of(message_id: str) -> str:
    """In hexadecimal; empty where the message is not traced, or was long ago."""
    found = _active.trace_ids.get(message_id) if _active is not None else None
    return f"{found:032x}" if found else ""


def check_protocol(signal: str, environment: Mapping[str, str]) -> None:
    """Raises `BadTracing` where TRACES or METRICS are to be sent by a protocol that is not spoken here."""
    protocol = environment.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or environment.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL"
    )
    if protocol not in {None, "", "http/protobuf"}:
        raise BadTracing(f"OTEL_EXPORTER_OTLP_PROTOCOL: {protocol!r} is not spoken here; http/protobuf is")


def start_tracing(service: str, instance: str, environment: Mapping[str, str] = os.environ) -> Callable[[], None]:
    """Trace from now on where the environment says so; returns what ends it. Raises `BadTracing`."""
    global _active
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or not any(map(environment.get, ENDPOINTS)):
        return lambda: None
    check_protocol("TRACES", environment)
    try:
        sampler = sampler_of(environment)
        slow_ms = int(environment.get(SLOW_VARIABLE) or SLOW_MS)
    except ValueError as error:
        raise BadTracing(str(error) if "OTEL" in str(error) else f"{SLOW_VARIABLE}: {error}") from None
    from shared.process.otlp import OtlpSpans

    spans = OtlpSpans(service, instance)
    _active = MessageTracing(service, sampler, slow_ms, spans.take)

    def stop() -> None:
        global _active
        _active = None
        spans.stop()

    return stop
