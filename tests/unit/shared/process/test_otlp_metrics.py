"""Metrics as a collector gets them, and one that is away."""

import logging

import pytest
from opentelemetry.sdk.metrics.export import Histogram, Sum

from shared.local.ports import free_port
from shared.process.metrics import BINDS, METRICS, RECORDS_IN, TRANSACTION_SECONDS
from shared.process.otlp import complain_seldom
from shared.process.otlp_metrics import metrics_now
from shared.process.telemetry import start_metrics
from shared.process.tracing import BadTracing
from tests.otlp_receiver import otlp_receiver


def test_every_metric_of_the_list_is_told_with_its_unit() -> None:
    told = {metric.name: metric for metric in metrics_now(1, 2)}
    assert told.keys() == {one.name.removesuffix("_total") for one in METRICS}
    assert all(metric.unit and metric.description for metric in told.values())


def test_a_counter_only_grows_and_buckets_hold_what_is_in_them_alone() -> None:
    RECORDS_IN.labels("otlp-test").inc(7)
    for seconds in (0.001, 0.003, 0.003, 99):
        TRANSACTION_SECONDS.labels("otlp-test").observe(seconds)
    told = {metric.name: metric.data for metric in metrics_now(1, 2)}
    counter, histogram = told["smsgw_records_in"], told["smsgw_transaction_seconds"]
    assert isinstance(counter, Sum)
    assert counter.is_monotonic
    assert [point.value for point in counter.data_points if point.attributes == {"topic": "otlp-test"}] == [7]
    assert isinstance(histogram, Histogram)
    (point,) = [point for point in histogram.data_points if point.attributes == {"client": "otlp-test"}]
    assert (point.bucket_counts, point.count) == ([1, 2, 0, 0, 0, 0, 0, 0, 0, 1], 4)
    assert point.explicit_bounds == [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5]
    assert point.sum == pytest.approx(99.007)


def test_the_last_minute_comes_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    BINDS.labels("otlp-1", "bound").set(2)
    with otlp_receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        start_metrics("binder", "0", {"OTEL_METRICS_EXPORTER": "otlp"})()
        assert receiver.metrics["smsgw-binder", "smsgw_binds", (("connector", "otlp-1"), ("state", "bound"))] == 2


def test_a_collector_that_is_away_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    start_metrics("binder", "0", {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_METRIC_EXPORT_INTERVAL": "1"})()


def test_what_the_library_complains_about_is_said_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    """By a logger below the library's own, as its exporters do."""
    root, handler = logging.getLogger(), logging.StreamHandler()
    root.addHandler(handler)
    try:
        complain_seldom()
        for _ in range(3):
            logging.getLogger("opentelemetry.exporter.otlp").warning("it is away")
        logging.getLogger("shared.something").warning("other")
        logging.getLogger("shared.something").warning("other")
    finally:
        root.removeHandler(handler)
    said = capsys.readouterr().err
    assert (said.count("it is away"), said.count("other")) == (1, 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_METRICS_EXPORTER", "console"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "soon"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ],
)
def test_a_wrong_value_is_told(name: str, value: str) -> None:
    with pytest.raises(BadTracing, match=name):
        start_metrics("binder", "0", {"OTEL_METRICS_EXPORTER": "otlp", name: value})
