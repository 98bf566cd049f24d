"""Edge: logs and metrics of a process. No message text, no full number."""

import logging
import sys
from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared.process.log_lines import LogLines

REGISTRY = CollectorRegistry()

RECORDS_IN = Counter("smsgw_records_in", "Records consumed", ["topic"], registry=REGISTRY)
RECORDS_OUT = Counter("smsgw_records_out", "Records produced", ["topic"], registry=REGISTRY)
DEAD_LETTERS = Counter("smsgw_dead_letters", "Records that went to a dead-letter topic", ["topic"], registry=REGISTRY)
BATCH_SECONDS = Histogram(
    "smsgw_batch_seconds",
    "One cycle: decide, produce, commit",
    ["stage"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
    registry=REGISTRY,
)
SMPP_QUIRKS = Counter(
    "smsgw_smpp_quirks",
    "What the SMSC of a connector does otherwise than the specification, by kind",
    ["connector", "kind"],
    registry=REGISTRY,
)
BINDS_LEFT_OPEN = Counter(
    "smsgw_binds_left_open",
    "Binds taken over from an owner that beat no more and had not unbound: its connection may stand beside the new one",
    ["connector"],
    registry=REGISTRY,
)
KAFKA_WAITING = Gauge(
    "smsgw_kafka_waiting", "Producers that wait for a partition that cannot be written to", registry=REGISTRY
)
LAG = Gauge("smsgw_lag_records", "Records behind the end of the assigned partitions", registry=REGISTRY)


def count_records_out(topics: Iterable[str]) -> None:
    """Count records that were produced, by the topic of each; dead letters are counted as such too."""
    for topic, count in Tally(topics).items():
        RECORDS_OUT.labels(topic).inc(count)
        if topic.endswith(".dlq"):
            DEAD_LETTERS.labels(topic).inc(count)


def configure_logging(service: str, level: str) -> None:
    """One line per record on stderr (see `LogLines`); the clients' own chatter only from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogLines(f"%(asctime)s %(levelname)s {service} %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("aiokafka").setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.getLogger("faststream").setLevel(logging.ERROR)  # the stage reports by itself
