"""Edge: the running configuration (`config.gateway`), followed live."""

import asyncio
import logging
from collections.abc import Callable

from aiokafka import ConsumerRecord

from schemas.gateway.connectors.kinds import Connector
from schemas.gateway.file import AppliedConfig, Draining
from schemas.topics import CONFIG_GATEWAY
from shared.kafka.tables import TableReader, only_logged
from shared.process.settings import Settings

log = logging.getLogger(__name__)


class GatewayTable:
    """The last applied configuration. A record that cannot be read is reported and the running one stays.

    `failed` is told when it cannot be followed any more.
    """

    def __init__(self, settings: Settings, failed: Callable[[Exception], None] = only_logged) -> None:
        self._reader = TableReader(settings, {CONFIG_GATEWAY: self._on_record}, failed)
        self._changed = asyncio.Event()
        self._connectors: dict[str, Connector] = {}
        self._draining: dict[str, Draining] = {}
        self.applied: AppliedConfig | None = None
        self.error = ""

    async def start(self) -> None:
        """Returns when the topic has been read to its end; nothing may be consumed before."""
        await self._reader.start()

    async def stop(self) -> None:
        await self._reader.stop()

    async def sync(self) -> None:
        """Returns when every configuration that was published before the call has been read."""
        await self._reader.sync()

    @property
    def hash(self) -> str:
        return self.applied.hash if self.applied else ""

    def connector(self, connector_id: str) -> Connector | None:
        """The connector, whether it is in use or draining; None when it is unknown."""
        return self._connectors.get(connector_id)

    def draining(self, connector_id: str) -> Draining | None:
        return self._draining.get(connector_id)

    @property
    def connectors(self) -> dict[str, Connector]:
        """The connectors by id, draining ones included."""
        return self._connectors

    async def changed(self) -> None:
        """Waits for the next configuration after the call."""
        await self._changed.wait()

    def _on_record(self, record: ConsumerRecord) -> None:
        if record.value is None:
            return
        try:
            applied = AppliedConfig.from_json(record.value)
        except ValueError as error:
            self.error = f"config.gateway offset {record.offset} cannot be read: {error}"
            log.error("%s; the running configuration stays", self.error)
            return
        self.adopt(applied)

    def adopt(self, applied: AppliedConfig) -> None:
        """Make `applied` the running configuration and wake those that wait for a change."""
        self.applied = applied
        self.error = ""
        self._draining = {d.connector.id: d for d in applied.draining}
        self._connectors = {d.connector.id: d.connector for d in applied.draining}
        self._connectors |= {c.id: c for c in applied.gateway.connectors}
        woken, self._changed = self._changed, asyncio.Event()
        woken.set()
