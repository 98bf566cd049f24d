"""Edge: docs/metrics.md, made of the list of metrics; `python -m shared.process.metrics_page` writes it."""

import sys
from pathlib import Path

from shared.process.metrics import METRICS, Listed

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"

_HEAD = """# Metrics

Made of `shared/process/metrics.py` by `make docs`: change the list there, not this page.

Every service serves them in Prometheus' text format under `/metrics` of its port (`http_port` in
`smsgw status --json`, see [operations.md](operations.md)). They are of that process alone: sum over instances.
`topic` is the name as Kafka has it, with `SMSGW_KAFKA_PREFIX`; `stage` a consumer group; `lane` otp, txn or bulk;
`connector` an id of gateway.yaml. No label holds an id of a message, a number or a text.

What concerns one message is in its trace ([telemetry.md](telemetry.md)) and in ClickHouse (`smsgw track`).

| name | kind, unit | labels | services | meaning |
|---|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(map(_line, METRICS))


def _line(one: Listed) -> str:
    labels = ", ".join(f"`{label}`" for label in one.labels)
    return (
        f"| `{one.name}` | {one.kind}, {one.unit} | {labels} | {', '.join(one.services) or 'all'} | {one.meaning} |\n"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
