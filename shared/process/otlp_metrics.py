"""Edge: the list of metrics to an OpenTelemetry collector, every minute, where `OTEL_METRICS_EXPORTER=otlp` says so.

A thread of its own reads what Prometheus would scrape. A collector that is away, or slow, delays nobody.
"""

import threading
from collections.abc import Mapping
from typing import Final

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from shared.process.clock import now_ms
from shared.process.metrics import METRICS, REGISTRY

INTERVAL_VARIABLE: Final = "OTEL_METRIC_EXPORT_INTERVAL"
INTERVAL_MS: Final = 60_000
STOP_S: Final = 3.0
_UNITS: Final = {one.name.removesuffix("_total"): one.unit for one in METRICS}
_Labels = tuple[tuple[str, str], ...]


class OtlpMetrics:
    """Metrics of one process, from its making until `stop`."""

    def __init__(self, resource: Resource, interval_ms: int) -> None:
        self._resource: Final = resource
        self._interval_s: Final = interval_ms / 1000
        self._began_ns: Final = now_ms() * 1_000_000
        self._exporter: Final = OTLPMetricExporter()
        self._stopping: Final = threading.Event()
        self._thread: Final = threading.Thread(target=self._export_for_ever, daemon=True, name="otlp-metrics")
        self._thread.start()

    def _export_for_ever(self) -> None:
        """Once more at the end: the last minute counts too."""
        while not self._stopping.wait(self._interval_s):
            self._export()
        self._export()
        self._exporter.shutdown()

    def _export(self) -> None:
        metrics = metrics_now(self._began_ns, now_ms() * 1_000_000)
        scope = ScopeMetrics(InstrumentationScope("smsgw"), metrics, "")
        self._exporter.export(MetricsData([ResourceMetrics(self._resource, [scope], "")]))

    def stop(self) -> None:
        """Send what there is, if that can be done within `STOP_S`."""
        self._stopping.set()
        self._thread.join(STOP_S)


def interval_of(environment: Mapping[str, str]) -> int:
    """Milliseconds between two exports. Raises ValueError with a sentence."""
    given = environment.get(INTERVAL_VARIABLE) or str(INTERVAL_MS)
    if not given.isascii() or not given.isdigit() or int(given) == 0:
        raise ValueError(f"{INTERVAL_VARIABLE}: {given!r} is no number of milliseconds")
    return int(given)


def metrics_now(began_ns: int, at_ns: int) -> list[Metric]:
    """Everything of the registry. Counters have no `_total`: whoever shows them to Prometheus adds it."""
    made = []
    for family in REGISTRY.collect():
        samples = [(one.name, one.labels, one.value) for one in family.samples if not one.name.endswith("_created")]
        data: Sum | Gauge | Histogram
        if family.type == "histogram":
            data = Histogram(_histograms(family.name, samples, began_ns, at_ns), AggregationTemporality.CUMULATIVE)
        else:
            points = [NumberDataPoint(labels, began_ns, at_ns, value) for _, labels, value in samples]
            is_counter = family.type == "counter"
            data = Sum(points, AggregationTemporality.CUMULATIVE, is_counter) if is_counter else Gauge(points)
        made.append(Metric(family.name, family.documentation, _UNITS[family.name], data))
    return made


def _histograms(
    name: str, samples: list[tuple[str, dict[str, str], float]], began_ns: int, at_ns: int
) -> list[HistogramDataPoint]:
    """Prometheus' buckets hold what is less too; those of OpenTelemetry do not."""
    bounds: dict[_Labels, list[float]] = {}
    buckets: dict[_Labels, list[int]] = {}
    sums: dict[_Labels, float] = {}
    for sample, labels, value in samples:
        key = tuple(sorted((label, word) for label, word in labels.items() if label != "le"))
        if sample == f"{name}_bucket":
            bounds.setdefault(key, []).append(float(labels["le"]))
            buckets.setdefault(key, []).append(int(value))
        elif sample == f"{name}_sum":
            sums[key] = value
    return [
        HistogramDataPoint(
            dict(key), began_ns, at_ns, upto[-1], sums[key],
            [here - before for here, before in zip(upto, [0, *upto], strict=False)],
            bounds[key][:-1], float("nan"), float("nan"),
        )
        for key, upto in buckets.items()
    ]  # fmt: skip
