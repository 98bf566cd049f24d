"""Edge: restarts a service whose loop has not advanced for 30 s, unless Kafka is what does not answer."""

import asyncio
from collections.abc import Awaitable, Callable

from aiokafka import ConsumerRecord

from schemas.gateway.file import AppliedConfig
from schemas.service_states import ServiceState
from schemas.topics import CONFIG_GATEWAY, SERVICE_STATES
from shared.kafka.errors import KafkaUnavailable
from shared.kafka.tables import TableReader
from shared.local.backoff import consecutive_failures, restart_delay_s
from shared.process.clock import now_ms
from shared.process.service import STUCK_MS
from shared.process.settings import Settings

CHECK_S = 5.0
SLEPT_MS = 3 * CHECK_S * 1000
"""A round that took longer: this process (or the machine) was asleep, and the beats it knows are as old."""

GRACE_AFTER_OUTAGE_MS = 60_000
"""After an outage the clients need this long to find back; a restart then would kill healthy binders."""


def stuck_services(
    states: dict[str, ServiceState], pids: dict[str, int | None], at_ms: int, outage_ms: int
) -> list[str]:
    """The services whose running process has not advanced for `STUCK_MS`, whether it beats or not.

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
    """Follows the beats and asks for restarts; also follows the configuration, for its hash. Run it as a task.

    `say` gets a sentence about everything it does; `on_config` the hash of every configuration that is applied.
    """

    def __init__(
        self,
        settings: Settings,
        pids: Callable[[], dict[str, int | None]],
        kafka_answers: Callable[[], Awaitable[bool]],
        restart: Callable[[str], Awaitable[None]],
        say: Callable[[str], None],
        on_config: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._states: dict[str, ServiceState] = {}
        self._pids = pids
        self._kafka_answers = kafka_answers
        self._restart = restart
        self._say = say
        self._on_config = on_config
        self._outage_ms = 0

    def _on_state(self, record: ConsumerRecord) -> None:
        key = (record.key or b"").decode()
        if record.value is None:
            self._states.pop(key, None)
        else:
            self._states[key] = ServiceState.from_json(record.value)

    def _on_gateway(self, record: ConsumerRecord) -> None:
        if record.value is not None:
            self._on_config(AppliedConfig.from_json(record.value).hash)

    async def run(self) -> None:
        """Until it is cancelled: whatever ends the watching, it begins again, with back-off."""
        failures = 0
        while True:
            began_ms = now_ms()
            try:
                await self._watch()
            except Exception as error:
                failures = consecutive_failures(failures, (now_ms() - began_ms) / 1000)
                delay_s = restart_delay_s(failures)
                reason = str(error) or type(error).__name__
                self._say(f"watchdog: cannot follow the services ({reason}); tries again in {delay_s:.1f} s")
                await asyncio.sleep(delay_s)

    async def _watch(self) -> None:
        """Raises when the beats cannot be followed: what was known of them is then too old to act on."""
        self._states.clear()
        reader = TableReader(self._settings, {SERVICE_STATES: self._on_state, CONFIG_GATEWAY: self._on_gateway})
        try:
            await reader.start()
            while True:
                began_ms = now_ms()
                await asyncio.sleep(CHECK_S)
                if not reader.alive:
                    raise KafkaUnavailable("the reader of the beats has stopped")
                if not await self._kafka_answers() or now_ms() - began_ms > SLEPT_MS:
                    self._outage_ms = now_ms()
                for name in stuck_services(self._states, self._pids(), now_ms(), self._outage_ms):
                    self._say(f"{name}: has not advanced for {STUCK_MS // 1000} s, is started again")
                    await self._restart(name)
        finally:
            await reader.stop()
