"""Edge: who else works under an instance id: two that do would evict each other from their groups without end.

Who is who is told by host, pid and a mark of each start: in containers every pid is 1, and a container that is started
again has the host name of the one before. What this machine knows of its own processes counts at once. Of any other
process with a young beat nobody knows whether it lives, so the next beat is waited for: the living beat every 2 s.
"""

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import psutil
from aiokafka import ConsumerRecord

from schemas.service_states import ServiceState
from schemas.topics import SERVICE_STATES
from shared.kafka.tables import TableReader
from shared.process.clock import ago_s, now_ms
from shared.process.settings import Settings

BEAT_S: Final = 2.0
BEAT_FRESH_MS: Final = 10_000
NEXT_BEAT_S: Final = 2 * BEAT_S + 1
"""A living process has beaten again by then."""


class InstanceInUse(Exception):
    """Another process beats under this instance id. Not to be restarted: exit code 75."""

    def __init__(self, other: ServiceState) -> None:
        super().__init__(f"another process uses instance {other.instance} (pid {other.pid} on {other.host})")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One start of one process."""

    service: str
    instance: str
    host: str
    pid: int
    start_id: str

    def rivals(self, states: Iterable[ServiceState], at_ms: int) -> list[ServiceState]:
        """Other processes that beat lately under this one's service and instance."""
        return [
            state
            for state in states
            if (state.service, state.instance) == (self.service, self.instance)
            and state.start_id != self.start_id
            and at_ms - state.beat_at_ms < BEAT_FRESH_MS
        ]

    def sees_alive(self, state: ServiceState, at_ms: int) -> bool:
        """Whether the process of a beat certainly lives: on this machine, under a pid that is not our own."""
        return state.pid != self.pid and lives_here(state, at_ms)

    def sees_dead(self, state: ServiceState, at_ms: int) -> bool:
        """Whether it certainly does not: this machine has no such process. One with our own pid on a host of our name
        was our predecessor in this container, or is in another one that is named alike: nobody can tell.
        """
        if state.host != self.host:
            return False
        return not lives_here(state, at_ms) if state.pid != self.pid else _began_after_us(state, at_ms)


def lives_here(state: ServiceState, at_ms: int) -> bool:
    """Whether the process of a beat runs on this very machine (a dead one may still have a fresh beat).

    `at_ms`: what time it is by Kafka's clock, which its start was told by.
    """
    if state.host != socket.gethostname():
        return False
    try:
        return _age_ms(state.pid) >= at_ms - state.started_at_ms
    except psutil.Error:
        return False


def _began_after_us(state: ServiceState, at_ms: int) -> bool:
    return at_ms - state.started_at_ms < _age_ms(psutil.Process().pid)


def _age_ms(pid: int) -> float:
    return ago_s(psutil.Process(pid).create_time()) * 1000


def _who(state: ServiceState) -> tuple[str, ...]:
    return state.service, state.instance, state.host, str(state.pid), state.start_id


async def living_rival(settings: Settings, me: ProcessIdentity) -> ServiceState | None:
    """Another living process with this service and instance. Waits for `NEXT_BEAT_S` where only a beat can tell.

    Raises what `TableReader` raises.
    """
    beats = _Beats(settings)
    await beats.reader.start()
    try:
        at_ms = now_ms()
        found = me.rivals(beats.states, at_ms)
        if alive := next((state for state in found if me.sees_alive(state, at_ms)), None):
            return alive
        unsure = {_who(state) for state in found if not me.sees_dead(state, at_ms)}
        return await beats.next_of(unsure) if unsure else None
    finally:
        await beats.reader.stop()


class _Beats:
    """The beats of all processes, followed live."""

    def __init__(self, settings: Settings) -> None:
        self.reader = TableReader(settings, {SERVICE_STATES: self._on_record})
        self._last: dict[bytes, dict[tuple[str, ...], ServiceState]] = {}
        self._awaited: set[tuple[str, ...]] = set()
        self._beaten: asyncio.Future[ServiceState] = asyncio.get_running_loop().create_future()

    @property
    def states(self) -> list[ServiceState]:
        return [state for of_key in self._last.values() for state in of_key.values()]

    async def next_of(self, processes: set[tuple[str, ...]]) -> ServiceState | None:
        """The next beat of one of these; None when there was none within `NEXT_BEAT_S`."""
        self._awaited = processes
        done, _ = await asyncio.wait([self._beaten], timeout=NEXT_BEAT_S)
        return self._beaten.result() if done else None

    def _on_record(self, record: ConsumerRecord) -> None:
        key = record.key or b""
        if record.value is None:
            self._last.pop(key, None)
            return
        state = ServiceState.from_json(record.value)
        self._last.setdefault(key, {})[_who(state)] = state
        if _who(state) in self._awaited and not self._beaten.done():
            self._beaten.set_result(state)
