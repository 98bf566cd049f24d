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
from shared.process.clock import monotonic_s
from shared.process.metrics import SCHEDULED_WAITING
from shared.process.service import Service, run_service

log = logging.getLogger(__name__)

CADENCE_MS: Final = 50
"""Whoever schedules does not wait for the record that says so. What is due is not held back by it."""
MAX_RECORDS: Final = 2_000
NOTE_EVERY_S: Final = 10.0
"""How often it is looked up where the changelog ends: a restart reads what was written since."""

STAGE: Final = StageConfig(SCHEDULER_GROUP, (MT_SCHEDULED,), CADENCE_MS, MAX_RECORDS, transactional=True)


class SchedulerHandler(StageHandler):
    """The partitions that are assigned to this process."""

    def __init__(self, service: Service) -> None:
        self.stage: Final = Stage(service, STAGE, self)
        self._service: Final = service
        self._progress: Final = partial(service.progress, STAGE.group)
        self._stores: dict[int, SqliteStore] = {}
        self._cycle: Final = SchedulerCycle()
        self._noted_at_s = 0.0

    async def assigned(self, inherited: Inherited) -> None:
        self._close()
        origin = await cluster_id_of(self._service.settings)
        began_s, read = monotonic_s(), 0
        for number in sorted(tp.partition for tp in inherited.partitions):
            store = SqliteStore(self._place(number), f"{origin}/{WAITING}/{number}")
            self._stores[number] = store
            read += await restore(self._service.settings, number, store, self._progress)
            self._cycle.partitions[number] = WaitingPartition(number, store, self._service.events, store.waiting())
        SCHEDULED_WAITING.set(self._cycle.waiting)
        self._noted_at_s = monotonic_s()
        log.info("%d messages wait; %d records read, %.1f s", self._cycle.waiting, read, self._noted_at_s - began_s)

    def _place(self, number: int) -> Path | None:
        settings = self._service.settings
        if not settings.static:
            return None
        return settings.data_dir / "state" / f"scheduler-{settings.instance}" / f"{number}.sqlite"

    async def revoked(self) -> None:
        self._close()

    def _close(self) -> None:
        """What the last cycle changed is given up: whether it was committed is not known here. The changelog knows."""
        for store in self._stores.values():
            store.close()
        self._stores.clear()
        self._cycle.partitions.clear()

    async def handle(self, records: Sequence[ConsumerRecord], at_ms: int) -> Iterable[Out]:
        await self._note(at_ms)
        outs = self._cycle.run(records, at_ms)
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

    def next_due_ms(self) -> int | None:
        return self._cycle.next_due_ms()


@asynccontextmanager
async def lifespan(app: Application) -> AsyncIterator[None]:
    """The stage."""
    app.add(SchedulerHandler(app.service).stage)
    yield


async def run(service: Service) -> None:
    """Run until the service is asked to stop."""
    await Application(service, lifespan).serve()


def main(arguments: list[str]) -> int:
    """`python -m services scheduler`; returns the exit code."""
    return run_service("scheduler", run)
