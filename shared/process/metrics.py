"""Edge: every metric of every service: name, unit, labels, meaning. docs/metrics.md is made of this list.

Labels are bounded: no ids of messages, no numbers. Counters and histograms are served with the endings that Prometheus
wants (`_total`, `_bucket`, `_sum`, `_count`).
"""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector

REGISTRY: Final = CollectorRegistry()

M = TypeVar("M", bound=MetricWrapperBase)


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of docs/metrics.md. `services`: who has it; empty = everybody."""

    name: str
    kind: str
    unit: str
    labels: tuple[str, ...]
    meaning: str
    services: tuple[str, ...] = ()


METRICS: Final[list[Listed]] = []
"""In the order of the page."""


def _listed(
    kind: type[M], name: str, unit: str, meaning: str, labels: tuple[str, ...] = (), services: tuple[str, ...] = ()
) -> None:
    shown = f"{name}_total" if kind is Counter else name
    METRICS.append(Listed(shown, kind.__name__.lower(), unit, labels, meaning, services))


def _counter(
    name: str, unit: str, meaning: str, labels: tuple[str, ...] = (), services: tuple[str, ...] = ()
) -> Counter:
    _listed(Counter, name, unit, meaning, labels, services)
    return Counter(name, meaning, labels, registry=REGISTRY)


def _gauge(name: str, unit: str, meaning: str, labels: tuple[str, ...] = (), services: tuple[str, ...] = ()) -> Gauge:
    _listed(Gauge, name, unit, meaning, labels, services)
    return Gauge(name, meaning, labels, registry=REGISTRY)


def _histogram(
    name: str,
    meaning: str,
    buckets: tuple[float, ...],
    labels: tuple[str, ...] = (),
    services: tuple[str, ...] = (),
) -> Histogram:
    _listed(Histogram, name, "seconds", meaning, labels, services)
    return Histogram(name, meaning, labels, buckets=buckets, registry=REGISTRY)


PROCESS_INFO: Final = _gauge(
    "smsgw_process_info", "always 1", "Which service a process is: its other metrics do not say so", ("service",)
)
RECORDS_IN: Final = _counter("smsgw_records_in", "records", "Records consumed", ("topic",))
RECORDS_OUT: Final = _counter("smsgw_records_out", "records", "Records produced", ("topic",))
DEAD_LETTERS: Final = _counter("smsgw_dead_letters", "records", "Records that went to a dead-letter topic", ("topic",))
LAG: Final = _gauge(
    "smsgw_lag_records", "records", "Records behind the end of the assigned partitions, as of the last beat", ("stage",)
)
BATCH_SECONDS: Final = _histogram(
    "smsgw_batch_seconds",
    "One cycle of a stage: decide, produce, commit",
    (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
    ("stage",),
)
TRANSACTION_SECONDS: Final = _histogram(
    "smsgw_transaction_seconds",
    "One Kafka transaction, from its first record to the end of its commit",
    (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
    ("client",),
    ("throttler", "correlator", "scheduler"),
)
ACCEPT_TO_SOCKET_SECONDS: Final = _histogram(
    "smsgw_accept_to_socket_seconds",
    "From the time of the request's record to the write of its segment to the connector's socket",
    (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600),
    ("lane",),
    ("binder",),
)
LOOP_STALL: Final = _gauge(
    "smsgw_event_loop_stall_seconds",
    "seconds",
    "The longest that the process's event loop let a timer wait, in the two seconds before the last beat",
)
READY: Final = _gauge("smsgw_ready", "0 or 1", "1 while the process has its partitions and has restored them")
KAFKA_WAITING: Final = _gauge(
    "smsgw_kafka_waiting", "producers", "Producers that wait for a partition that cannot be written to"
)
BINDS: Final = _gauge(
    "smsgw_binds",
    "binds",
    "Binds that this process holds, by state: binding, bound, unbound (held, without a link just now), auth_failed",
    ("connector", "state"),
    ("binder",),
)
SMPP_QUIRKS: Final = _counter(
    "smsgw_smpp_quirks",
    "times",
    "What the SMSC of a connector does otherwise than the specification, by kind",
    ("connector", "kind"),
    ("binder",),
)
BINDS_LEFT_OPEN: Final = _counter(
    "smsgw_binds_left_open",
    "binds",
    "Binds taken over from an owner that beat no more and had not unbound: its connection may stand beside the new one",
    ("connector",),
    ("binder",),
)
SCHEDULED_WAITING: Final = _gauge(
    "smsgw_scheduled_waiting", "messages", "Messages that wait for their time here", (), ("scheduler",)
)
CLICKHOUSE_WAITING: Final = _gauge(
    "smsgw_clickhouse_waiting", "0 or 1", "1 while events wait for ClickHouse", (), ("recorder",)
)
CLICKHOUSE_WAITED: Final = _counter(
    "smsgw_clickhouse_waited_seconds", "seconds", "Pauses between tries of ClickHouse", (), ("recorder",)
)
CLICKHOUSE_PROBES: Final = _counter(
    "smsgw_clickhouse_probes", "rows", "Known-good rows inserted to see who is at fault", ("result",), ("recorder",)
)

EVENTS: Final = "smsgw_events"
METRICS.append(
    Listed(
        f"{EVENTS}_total",
        "counter",
        "events",
        ("event",),
        "Lifecycle events decided here, by word: answers of SMSCs by kind (submitted, throttled, temporary_error, "
        "submit_failed, not_sent, outcome_unknown), receipts (receipt, late_receipt, orphan_receipt, receipt_missing), "
        "requests (accepted, rejected, duplicate), binds (bind_up, bind_down, bind_refused)",
    )
)

_DOORS: Final = ("http-api",)
HTTP_ANSWERS: Final = _counter(
    "smsgw_http_answers",
    "answers",
    "Answers of the HTTP door, by call and status code",
    ("method", "path", "code"),
    _DOORS,
)
HTTP_SECONDS: Final = _histogram(
    "smsgw_http_seconds",
    "From the head of a request to its answer; of a stream, to its begin",
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
    ("call",),
    _DOORS,
)
HTTP_CONNECTIONS: Final = _gauge("smsgw_http_connections", "connections", "Open at the HTTP door", services=_DOORS)


class _Events(Collector):
    """Reads the tallies when it is scraped: an event costs no more than an addition."""

    def __init__(self) -> None:
        self.tally: Mapping[str, int] = {}

    def collect(self) -> Iterable[CounterMetricFamily]:
        family = CounterMetricFamily(EVENTS, "Lifecycle events decided here, by word", labels=["event"])
        for word, count in tuple(self.tally.items()):
            family.add_metric([word], count)
        return [family]


_EVENTS: Final = _Events()
REGISTRY.register(_EVENTS)


def serve_events(tally: Mapping[str, int]) -> None:
    """Have the tally of the process's events served from now on."""
    _EVENTS.tally = tally


def count_records_out(topics: Iterable[str]) -> None:
    """Count records that were produced, by the topic of each; dead letters are counted as such too."""
    for topic, count in Tally(topics).items():
        RECORDS_OUT.labels(topic).inc(count)
        if topic.endswith(".dlq"):
            DEAD_LETTERS.labels(topic).inc(count)
