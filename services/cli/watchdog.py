"""Edge: restarts a service whose loop has not advanced for 30 s, unless Kafka is what does not answer."""

import asyncio
from collections.abc import Awaitable, Callable

from aiokafka import ConsumerRecord

from schemas.service_states import ServiceState
from schemas.topics import SERVICE_STATES
from shared.clock import now_ms
from shared.service import STUCK_MS
from shared.settings import Settings
from shared.tables import TableReader

CHECK_S = 5.0
GRACE_AFTER_OUTAGE_MS = 60_000
"""After an outage the clients need this long to find back; a restart then would kill healthy binders."""


def stuck_services(
    states: dict[str, ServiceState], pids: dict[str, int | None], at_ms: int, outage_ms: int
) -> list[str]:
    """The services whose running process beats, or not, and has not advanced since `STUCK_MS`.

    `pids` is what runs, by service; `outage_ms` when Kafka last did not answer (0 = never).
    """
    if outage_ms and at_ms - outage_ms < GRACE_AFTER_OUTAGE_MS:
        return []
    return [
        state.service
        for state in states.values()
        if pids.get(state.service) == state.pid and at_ms - state.progress_at_ms > STUCK_MS + CHECK_S * 1000
    ]


class Watchdog:
    """Follows the beats and asks for restarts; run it as a task."""

    def __init__(
        self,
        settings: Settings,
        pids: Callable[[], dict[str, int | None]],
        kafka_answers: Callable[[], bool],
        restart: Callable[[str], Awaitable[None]],
    ) -> None:
        self._states: dict[str, ServiceState] = {}
        self._reader = TableReader(settings, {SERVICE_STATES: self._on_record})
        self._pids = pids
        self._kafka_answers = kafka_answers
        self._restart = restart
        self._outage_ms = 0

    def _on_record(self, record: ConsumerRecord) -> None:
        key = (record.key or b"").decode()
        if record.value is None:
            self._states.pop(key, None)
        else:
            self._states[key] = ServiceState.from_json(record.value)

    async def run(self) -> None:
        """Until it is cancelled."""
        await self._reader.start()
        try:
            while True:
                await asyncio.sleep(CHECK_S)
                if not await asyncio.to_thread(self._kafka_answers):
                    self._outage_ms = now_ms()
                for name in stuck_services(self._states, self._pids(), now_ms(), self._outage_ms):
                    await self._restart(name)
        finally:
            await self._reader.stop()
