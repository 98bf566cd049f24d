"""Edge: logs of a process. No message text, no full number."""

import logging
import sys

from shared.process.log_lines import JsonLines, LogLines
from shared.process.tracing import trace_id_of


def configure_logging(service: str, instance: str, level: str, log_format: str) -> None:
    """One line per record on stderr: text (`LogLines`), or `json`; the clients' own chatter only from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    text = LogLines(f"%(asctime)s %(levelname)s {service} %(name)s: %(message)s")
    handler.setFormatter(JsonLines(service, instance, trace_id_of) if log_format == "json" else text)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("aiokafka").setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.getLogger("faststream").setLevel(logging.ERROR)  # the stage reports by itself
