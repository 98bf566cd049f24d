"""Edge: what an SMSC does otherwise than the specification: always counted, told in the log now and then."""

import logging
from typing import Final

from shared.process.metrics import SMPP_QUIRKS

log = logging.getLogger(__name__)

TELL_EVERY_S: Final = 60.0
"""An SMSC that is wrong in every PDU must not fill a disk."""


class QuirkLog:
    """The quirks of one bind. Kinds are words of ours (few), details are of one PDU and without personal data."""

    def __init__(self, connector_id: str, partition: int) -> None:
        self._connector_id = connector_id
        self._name = f"{connector_id}:{partition}"
        self._told_s: dict[str, float] = {}
        self._untold: dict[str, int] = {}

    def noticed(self, kind: str, detail: str, now_s: float) -> None:
        """Something was tolerated, or refused, of the SMSC's."""
        SMPP_QUIRKS.labels(self._connector_id, kind).inc()
        told_s = self._told_s.get(kind)
        if told_s is not None and now_s - told_s < TELL_EVERY_S:
            self._untold[kind] = self._untold.get(kind, 0) + 1
            return
        self._told_s[kind] = now_s
        more = self._untold.pop(kind, 0)
        log.warning("connector %s: %s: %s%s", self._name, kind, detail, f" ({more} more before)" if more else "")
