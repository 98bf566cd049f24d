"""Edge: the beats of all processes, each as old as it is by Kafka's clock, whatever the clock of this machine says."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka import ConsumerRecord

from schemas.service_states import ServiceState
from schemas.topics import SERVICE_STATES
from shared.kafka.tables import OnRecord, TableReader
from shared.operations.kafka_access import ANSWER_S
from shared.process.clock import now_ms
from shared.process.instance import BEAT_FRESH_MS, BEAT_S
from shared.process.settings import Settings

FOLLOW_S: Final = 3 * BEAT_S
"""Whoever lives has beaten by then."""


@dataclass(frozen=True, slots=True)
class Beat:
    """The last beat of a process, `age_ms` old by Kafka's clock."""

    state: ServiceState
    age_ms: int

    @property
    def fresh(self) -> bool:
        """Whether the process counts as alive."""
        return self.age_ms < BEAT_FRESH_MS

    @property
    def stuck_ms(self) -> int:
        """How long its loop has not advanced, as far as it is known."""
        return self.state.beat_at_ms - self.state.progress_at_ms + self.age_ms


class BeatTable:
    """`service.states` as it is read, each beat with Kafka's time of its record."""

    def __init__(self) -> None:
        self._beats: dict[bytes, tuple[ServiceState, int]] = {}
        self._latest_ms = 0
        self.moved: Final = asyncio.Event()

    def read(self, record: ConsumerRecord) -> None:
        """The next record. One without a value (a clean stop) tells the time, too."""
        self._latest_ms = max(self._latest_ms, record.timestamp)
        self.moved.set()
        if record.value is None:
            self._beats.pop(record.key or b"", None)
        else:  # what is no beat changes nothing: it must not hide a process that lives
            self._beats[record.key or b""] = (ServiceState.from_json(record.value), record.timestamp)

    def is_current(self, wall_ms: int) -> bool:
        """Whether what was read last can be taken for of now, or there is nothing that could be old."""
        return not self._beats or abs(wall_ms - self._latest_ms) < BEAT_FRESH_MS

    def time_ms(self, wall_ms: int, *, current: bool) -> int:
        """Kafka's time by the last record. `current` False: nobody has beaten for as long as a beat lives."""
        if not self._beats:
            return wall_ms
        return self._latest_ms if current else max(wall_ms, self._latest_ms + BEAT_FRESH_MS)

    def beats(self, time_ms: int) -> list[Beat]:
        """All of them; by service and instance."""
        found = [Beat(state, max(0, time_ms - at_ms)) for state, at_ms in self._beats.values()]
        return sorted(found, key=lambda beat: (beat.state.service, beat.state.instance))


async def read_beats(settings: Settings, others: Mapping[str, OnRecord] | None = None) -> tuple[int, list[Beat]]:
    """What time it is by Kafka's clock, and the last beat of every process that has not stopped cleanly.

    `others`: more tables to read with it. Where the last beat and this machine's clock disagree (nothing lives, or the
    clock is wrong) it waits for the next beat, `FOLLOW_S` at most. Raises TimeoutError when reading takes too long.
    """
    table = BeatTable()
    reader = TableReader(settings, {SERVICE_STATES: table.read, **(others or {})})
    async with asyncio.timeout(ANSWER_S):
        await reader.start()
    try:
        current = table.is_current(now_ms()) or await _moves(table)
    finally:
        await reader.stop()
    time_ms = table.time_ms(now_ms(), current=current)
    return time_ms, table.beats(time_ms)


async def kafka_time_ms(settings: Settings) -> int:
    """What time it is by Kafka's clock, to a few seconds; by this machine's where nothing of ours runs.

    Raises TimeoutError when reading takes too long.
    """
    return (await read_beats(settings))[0]


async def _moves(table: BeatTable) -> bool:
    table.moved.clear()
    try:
        await asyncio.wait_for(table.moved.wait(), FOLLOW_S)
    except TimeoutError:
        return False
    return True
