"""Edge: logs of a process. No message text, no full number."""

import logging
import sys

from shared.process.log_lines import LogLines


def configure_logging(service: str, level: str) -> None:
    """One line per record on stderr (see `LogLines`); the clients' own chatter only from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogLines(f"%(asctime)s %(levelname)s {service} %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("aiokafka").setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.getLogger("faststream").setLevel(logging.ERROR)  # the stage reports by itself
