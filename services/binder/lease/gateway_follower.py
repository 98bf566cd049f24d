"""Edge: leases follow the configuration, and what is left of removed connectors."""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from schemas.gateway.file import Draining
from services.binder.lease.leases import Leases
from services.binder.lease.wanted import next_end_ms, overdue
from shared.operations.backlog import left_of_removed
from shared.operations.errors import OperationError
from shared.process.clock import now_ms
from shared.process.gateway import GatewayTable
from shared.process.settings import Settings

log = logging.getLogger(__name__)

REMOVED_LOOK_S: Final = 60.0
"""How often to look what is left of a removed connector whose time is over."""


class GatewayFollower:
    """`await run()` for as long as the process lives."""

    def __init__(self, settings: Settings, gateway: GatewayTable, leases: Leases) -> None:
        self._settings = settings
        self._gateway = gateway
        self._leases = leases
        self._asked: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Adopt every configuration at once. When a removed connector's time is over, look now and then what is left
        of it: its binds end when nothing is.
        """
        while True:
            seen = self._gateway.applied
            self._leases.unfinished = await self._unfinished()
            self._leases.configure()
            if self._gateway.applied is seen:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._next_look_s()):
                        await self._gateway.changed()
                self._keep_what_was_not_asked_about()
                self._leases.configure()

    def _keep_what_was_not_asked_about(self) -> None:
        """A configuration counts at once, and what is left of those whose time is over now is not known yet."""
        ids = frozenset(one.connector.id for one in overdue(self._removed(), now_ms()))
        self._leases.unfinished = (ids & self._leases.unfinished) | (ids - self._asked)

    def _removed(self) -> list[Draining]:
        ids = self._gateway.connectors
        return [found for connector_id in ids if (found := self._gateway.draining(connector_id)) is not None]

    def _next_look_s(self) -> float | None:
        """When to look at removed connectors again; None = when the configuration changes."""
        end_ms = next_end_ms(self._removed(), now_ms())
        # Kafka's clock may be set meanwhile, so not too late
        ends = [] if end_ms is None else [min((end_ms - now_ms()) / 1000 + 0.1, REMOVED_LOOK_S)]
        return min([*ends, *([REMOVED_LOOK_S] if self._leases.unfinished else [])], default=None)

    async def _unfinished(self) -> frozenset[str]:
        """Removed connectors whose time is over, and of which something is left; all of them while nobody says."""
        asked = overdue(self._removed(), now_ms())
        self._asked = frozenset(one.connector.id for one in asked)
        try:
            left = await left_of_removed(self._settings, asked, now_ms())
        except OperationError as error:
            log.warning("what is left of removed connectors is not known: %s", error)
            return self._asked
        for connector_id in left.keys() - self._leases.unfinished:
            log.info("connector %s was removed and stays bound: it has %s", connector_id, left[connector_id])
        for connector_id in self._leases.unfinished - left.keys():
            log.info("connector %s was removed and has nothing left", connector_id)
        return frozenset(left)
