"""Edge: logs and metrics of a process, and the port that serves health and metrics. No message text, no full number."""

import logging
import sys
import threading
from collections import Counter as Tally
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, make_wsgi_app

from shared.process.http_guard import guard_of_environment
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


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is the library's
        """A probe every few seconds is no news."""


class HealthServer:
    """`/health` (200 or 503, with a sentence) and `/metrics`, on a thread of its own: a stuck loop still answers.

    Whoever asks gets the health; metrics only by a name of ours, and no page of a browser (`http_guard`).
    """

    def __init__(self, host: str, port: int, health: Callable[[], tuple[bool, str]]) -> None:
        metrics = make_wsgi_app(REGISTRY)
        guard = guard_of_environment()

        def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            if environ.get("PATH_INFO") in {"/health", "/healthz", "/ready"}:
                ok, sentence = health()
                start_response("200 OK" if ok else "503 Service Unavailable", [("Content-Type", "text/plain")])
                return [sentence.encode() + b"\n"]
            asked = [environ.get(name) for name in ("HTTP_HOST", "HTTP_ORIGIN", "HTTP_SEC_FETCH_SITE")]
            if why := guard.refusal(*asked):
                start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
                return [why.encode() + b"\n"]
            served: Iterable[bytes] = metrics(environ, start_response)
            return served

        self._server: WSGIServer = make_server(host, port, app, handler_class=_QuietHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(60.0,), daemon=True, name="health")

    @property
    def port(self) -> int:
        return int(self._server.server_port)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.server_close()
