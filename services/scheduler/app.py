"""Edge: wiring of the scheduler: a transactional stage, its state in stores that mirror a changelog."""

import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition

from schemas.groups import SCHEDULER_GROUP
from schemas.topics import MT_SCHEDULED, WAITING
from services.scheduler.command_reader import CommandReader
from services.scheduler.cycle import SchedulerCycle
from services.scheduler.partition import WaitingPartition
from services.scheduler.restore import restore
from services.scheduler.store import SqliteStore
from shared.kafka.cluster_id import cluster_id_of
from shared.kafka.records import Out
from shared.membership.frame import Application
from shared.membership.handler import StageConfig, StageHandler
from shared.membership.inheritance import Inherited
from shared.membership.stage import Stage
from shared.process.clock import monotonic_s, now_ms
from shared.process.metrics import SCHEDULED_WAITING
from shared.process.service import Service, run_service

log = logging.getLogger(__name__)

CADENCE_MS: Final = 50
"""Whoever schedules does not wait for the record that says so. What is due is not held back by it."""
MAX_RECORDS: Final = 2_000
NEVER_TOO_LATE_MS: Final = 2_000
"""A command that Kafka has acknowledged so long before a message is due holds."""
ASK_AHEAD_MS: Final = 1_000
ASK_AGAIN_MS: Final = 20
NOTE_EVERY_S: Final = 10.0
"""How often it is looked up where the changelog ends: a restart reads what was written since."""

STAGE: Final = StageConfig(SCHEDULER_GROUP, (MT_SCHEDULED,), CADENCE_MS, MAX_RECORDS, transactional=True)


class SchedulerHandler(StageHandler):
    """The partitions that are assigned to this process."""

    def __init__(self, service: Service, count: int) -> None:
        """`count`: partitions of `mt.scheduled`."""
        self.stage: Final = Stage(service, STAGE, self)
        self._service: Final = service
        self._progress: Final = partial(service.progress, STAGE.group)
        self._stores: dict[int, SqliteStore] = {}
        self._cycle: Final = SchedulerCycle(count)
        self._commands: Final = CommandReader(service.settings, service.fail)
        self._proof: tuple[int, dict[TopicPartition, int]] | None = None
        self._proved_ms = 0
        self._ask_again_ms = 0
        self._noted_at_s = 0.0

    async def assigned(self, inherited: Inherited) -> None:
        await self._close()
        origin = await cluster_id_of(self._service.settings)
        began_s, read = monotonic_s(), 0
        for number in sorted(tp.partition for tp in inherited.partitions):
            store = SqliteStore(self._place(number), f"{origin}/{WAITING}/{number}")
            self._stores[number] = store
            read += await restore(self._service.settings, number, store, self._progress)
            self._cycle.partitions[number] = WaitingPartition(number, store, self._service.events)
        await self._commands.start(self._command_positions())
        SCHEDULED_WAITING.set(self._cycle.waiting)
        self._noted_at_s = monotonic_s()
        log.info("%d messages wait; %d records read, %.1f s", self._cycle.waiting, read, self._noted_at_s - began_s)

    def _command_positions(self) -> dict[str, int]:
        """From where commands are new to at least one of the partitions."""
        held = [partition.store.positions for partition in self._cycle.partitions.values()]
        names = set[str]().union(*held)
        return {name: min(positions.get(name, 0) for positions in held) for name in names}

    def _place(self, number: int) -> Path | None:
        settings = self._service.settings
        if not settings.static:
            return None
        return settings.data_dir / "state" / f"scheduler-{settings.instance}" / f"{number}.sqlite"

    async def revoked(self) -> None:
        await self._close()

    async def _close(self) -> None:
        """What the last cycle changed is given up: whether it was committed is not known here. The changelog knows."""
        await self._commands.stop()
        self._proof, self._proved_ms, self._ask_again_ms = None, 0, 0
        for store in self._stores.values():
            store.close()
        self._stores.clear()
        self._cycle.partitions.clear()

    async def handle(self, records: Sequence[ConsumerRecord], at_ms: int) -> Iterable[Out]:
        await self._note(at_ms)
        await self._ask(at_ms)
        commands = self._commands.take(MAX_RECORDS)
        if self._proof is not None and self._commands.has_read(self._proof[1]):
            self._proved_ms, self._proof = self._proof[0], None
        if self._proof is not None:
            self._ask_again_ms = at_ms + ASK_AGAIN_MS  # not read so far yet: look again then
        outs = self._cycle.run(records, commands, at_ms, self._proved_ms + NEVER_TOO_LATE_MS)
        SCHEDULED_WAITING.set(self._cycle.waiting)
        return outs

    async def _note(self, at_ms: int) -> None:
        """The stores have all that is in the changelog, for nothing is under way now: note where it ends."""
        if monotonic_s() - self._noted_at_s < NOTE_EVERY_S:
            return
        self._noted_at_s = monotonic_s()
        ends = await self.stage.high_watermarks(TopicPartition(WAITING, number) for number in self._stores)
        for tp, end in ends.items():
            self._stores[tp.partition].note(end, at_ms)

    async def _ask(self, at_ms: int) -> None:
        """Nothing goes before every command has been read that was given `NEVER_TOO_LATE_MS` before its time: where
        something is due soon, ask up to where there are commands now."""
        due_ms = self._cycle.next_due_ms()
        if due_ms is None or due_ms > at_ms + ASK_AHEAD_MS or self._proof is not None:
            return
        if max(self._proved_ms + ASK_AHEAD_MS, self._ask_again_ms) <= at_ms:
            self._ask_again_ms = at_ms + ASK_AGAIN_MS
            if ends := await self._commands.ends():
                self._proof = at_ms, ends

    def next_due_ms(self) -> int | None:
        if self._commands:
            return now_ms()
        due_ms = self._cycle.next_due_ms()
        if due_ms is None or due_ms <= self._proved_ms + NEVER_TOO_LATE_MS:
            return due_ms
        return max(due_ms - ASK_AHEAD_MS, self._ask_again_ms)


@asynccontextmanager
async def lifespan(app: Application) -> AsyncIterator[None]:
    """The stage."""
    count = await app.service.control.partition_count(MT_SCHEDULED)
    app.add(SchedulerHandler(app.service, count).stage)
    yield


async def run(service: Service) -> None:
    """Run until the service is asked to stop."""
    await Application(service, lifespan).serve()


def main(arguments: list[str]) -> int:
    """`python -m services scheduler`; returns the exit code."""
    return run_service("scheduler", run)
