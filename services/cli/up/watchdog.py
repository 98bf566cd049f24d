"""Edge: restarts a service whose loop has not advanced for 30 s, unless Kafka is what does not answer."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiokafka import ConsumerRecord

from schemas.gateway.file import AppliedConfig
from schemas.service_states import ServiceState
from schemas.topics import CONFIG_GATEWAY, SERVICE_STATES
from shared.kafka.errors import KafkaUnavailable
from shared.kafka.tables import TableReader
from shared.local.backoff import consecutive_failures, restart_delay_s
from shared.process.awaited import stop_patience_s
from shared.process.clock import monotonic_s
from shared.process.service import STUCK_MS
from shared.process.settings import Settings

CHECK_S = 5.0
SLEPT_S = 3 * CHECK_S
"""A round that took longer: this process (or the machine) was asleep, and the beats it knows are as old."""

GRACE_AFTER_OUTAGE_S = 60.0
"""After an outage the clients need this long to find back; a restart then would kill healthy binders."""


class ReadBeat(NamedTuple):
    """A beat, and when it was read."""

    state: ServiceState
    read_s: float

    def stuck_s(self, now_s: float) -> float:
        """How long the process has not advanced, as far as the beat tells."""
        return (self.state.beat_at_ms - self.state.progress_at_ms) / 1000 + now_s - self.read_s


def stuck_services(
    read: dict[str, ReadBeat], pids: dict[str, int | None], now_s: float, outage_s: float | None
) -> list[str]:
    """The services whose running process has not advanced for `STUCK_MS`, whether it beats or not.

    `pids` is what runs, by service; `outage_s` when Kafka last did not answer (None = never). Times are this process's
    own monotonic seconds; how old the progress was when the beat was made, the beat itself tells.
    """
    if outage_s is not None and now_s - outage_s < GRACE_AFTER_OUTAGE_S:
        return []
    return [
        beat.state.service
        for beat in read.values()
        if pids.get(beat.state.service) == beat.state.pid and beat.stuck_s(now_s) > STUCK_MS / 1000 + CHECK_S
    ]


class Watchdog:
    """Follows the beats and asks for restarts; also follows the configuration, for its hash. Run it as a task.

    `say` gets a sentence about everything it does; `on_config` the hash of every configuration that is applied,
    `on_patience` how long a binder may need to stop under it.
    """

    def __init__(
        self,
        settings: Settings,
        pids: Callable[[], dict[str, int | None]],
        kafka_answers: Callable[[], Awaitable[bool]],
        restart: Callable[[str], Awaitable[None]],
        say: Callable[[str], None],
        on_config: Callable[[str], None] = lambda _: None,
        on_patience: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._beats: dict[str, ReadBeat] = {}
        self._pids = pids
        self._kafka_answers = kafka_answers
        self._restart = restart
        self._say = say
        self._on_config = on_config
        self._on_patience = on_patience
        self._outage_s: float | None = None
        self._host = socket.gethostname()

    def _on_state(self, record: ConsumerRecord) -> None:
        key = (record.key or b"").decode()
        self._beats.pop(key, None)
        if record.value is not None and (state := ServiceState.from_json(record.value)).host == self._host:
            self._beats[key] = ReadBeat(state, monotonic_s())  # a pid of another machine says nothing about ours

    def _on_gateway(self, record: ConsumerRecord) -> None:
        if record.value is not None:
            applied = AppliedConfig.from_json(record.value)
            self._on_config(applied.hash)
            self._on_patience(stop_patience_s(applied))

    async def run(self) -> None:
        """Until it is cancelled: whatever ends the watching, it begins again, with back-off."""
        failures = 0
        while True:
            began_s = monotonic_s()
            try:
                await self._watch()
            except Exception as error:
                failures = consecutive_failures(failures, monotonic_s() - began_s)
                delay_s = restart_delay_s(failures)
                reason = str(error) or type(error).__name__
                self._say(f"watchdog: cannot follow the services ({reason}); tries again in {delay_s:.1f} s")
                await asyncio.sleep(delay_s)

    async def _watch(self) -> None:
        """Raises when the beats cannot be followed: what was known of them is then too old to act on."""
        self._beats.clear()
        reader = TableReader(self._settings, {SERVICE_STATES: self._on_state, CONFIG_GATEWAY: self._on_gateway})
        try:
            await reader.start()
            while True:
                began_s = monotonic_s()
                await asyncio.sleep(CHECK_S)
                if not reader.alive:
                    raise KafkaUnavailable("the reader of the beats has stopped")
                if not await self._kafka_answers() or monotonic_s() - began_s > SLEPT_S:
                    self._outage_s = monotonic_s()
                for name in stuck_services(self._beats, self._pids(), monotonic_s(), self._outage_s):
                    self._say(f"{name}: has not advanced for {STUCK_MS // 1000} s, is started again")
                    await self._restart(name)
        finally:
            await reader.stop()
