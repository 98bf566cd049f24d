"""Edge: logs of a process, without message text or full number; its metrics to a collector where that is asked for."""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import Final

from shared.process.log_lines import JsonLines, LogLines
from shared.process.tracing import BadTracing, check_protocol, trace_id_of

EXPORTER: Final = "OTEL_METRICS_EXPORTER"


def configure_logging(service: str, instance: str, level: str, log_format: str) -> None:
    """One line per record on stderr: text (`LogLines`), or `json`; the clients' own chatter only from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    text = LogLines(f"%(asctime)s %(levelname)s {service} %(name)s: %(message)s")
    handler.setFormatter(JsonLines(service, instance, trace_id_of) if log_format == "json" else text)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("aiokafka").setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.getLogger("faststream").setLevel(logging.ERROR)  # the stage reports by itself


def start_metrics(service: str, instance: str, environment: Mapping[str, str] = os.environ) -> Callable[[], None]:
    """Send metrics from now on where the environment says so; returns what ends it. Raises `BadTracing`.

    Not by an endpoint alone: Prometheus has them already, as a rule.
    """
    wanted = environment.get(EXPORTER) or "none"
    if wanted not in {"none", "otlp"}:
        raise BadTracing(f"{EXPORTER}: {wanted!r} is not known here; otlp or none is")
    if wanted == "none" or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return lambda: None
    check_protocol("METRICS", environment)
    from shared.process.otlp import complain_seldom, resource_of
    from shared.process.otlp_metrics import OtlpMetrics, interval_of

    try:
        interval_ms = interval_of(environment)
    except ValueError as error:
        raise BadTracing(str(error)) from None
    complain_seldom()
    return OtlpMetrics(resource_of(service, instance), interval_ms).stop
