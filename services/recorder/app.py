"""Edge: the recorder as a process: one stage with fat batches, the migrations before it, the roll-up between
batches."""

import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Final

from aiokafka import ConsumerRecord

from schemas.groups import RECORDER_GROUP
from schemas.topics import LIFECYCLE_EVENTS
from services.recorder.clickhouse import ClickHouse, ClickHouseUnavailable
from services.recorder.migrations import BOOTSTRAP, Migration, MigrationError, ordered, pending
from services.recorder.patience import SERVICE, Patience
from services.recorder.recording import Recording
from services.recorder.rollup import DIRTY_HOURS, REFRESH_HOUR, RollupPlan
from shared.kafka.records import Out
from shared.membership.frame import Application
from shared.membership.handler import GivenUp, StageConfig, StageHandler
from shared.membership.stage import Stage
from shared.process.clock import monotonic_s, now_ms
from shared.process.service import CannotGoOn, Service, run_service

log = logging.getLogger(__name__)

COLLECT_MS: Final = 2_000
"""An insert costs some 50 ms of ClickHouse's CPU whatever it carries: one in two seconds, and analysts wait no
longer."""
COLLECT_BYTES: Final = 3 << 20
"""Some 30,000 events, compressed; a fetch brings at most 4 MiB (1 MiB a partition)."""
MAX_RECORDS: Final = 50_000

_CLICKHOUSE: Final = "clickhouse"
_APPLIED: Final = "SELECT number, checksum FROM sms.schema_migrations FINAL ORDER BY number"
_WRITE_DOWN: Final = (
    "INSERT INTO sms.schema_migrations (number, name, checksum) "
    "SELECT {number:UInt32}, {name:String}, {checksum:String}"
)


def steady_ms() -> int:
    """The own clock: what waits here counts by it."""
    return int(monotonic_s() * 1000)


class RecorderHandler(StageHandler):
    """Batches of events into ClickHouse, and the hours they touch."""

    def __init__(self, clickhouse: ClickHouse, patience: Patience, plan: RollupPlan, *, unexplained_max: int) -> None:
        self._clickhouse = clickhouse
        self._patience = patience
        self._recording = Recording(clickhouse, patience, unexplained_max)
        self._plan = plan

    async def handle(self, records: Sequence[ConsumerRecord], at_ms: int) -> Iterable[Out]:
        """Returns the dead letters, when all else is on ClickHouse's disk."""
        outs: list[Out] = []
        if records:
            outs = await self._recording.record(records, at_ms)
            self._plan.changed(steady_ms())
        due_ms = self._plan.due_at_ms()
        if due_ms is not None and due_ms <= steady_ms():
            await self._patience.call(self._roll_up)
        return outs

    def next_due_ms(self) -> int | None:
        due_ms = self._plan.due_at_ms()
        return None if due_ms is None else now_ms() + due_ms - steady_ms()

    async def _roll_up(self) -> None:
        """Recompute what is due; a failure only makes it due again: events come first."""
        began_ms = steady_ms()
        hours: tuple[int, ...] = ()
        try:
            found = await self._clickhouse.rows(DIRTY_HOURS, {"back_s": self._plan.back_s(began_ms)})
            hours = self._plan.choose((int(row[0]) for row in found), began_ms, now_ms() // 1000)
            for hour_s in hours:
                await self._clickhouse.execute(REFRESH_HOUR, {"hour_s": hour_s})
        except ClickHouseUnavailable as error:
            log.warning("the roll-up has to wait: %s", error)
            self._plan.failed(hours, steady_ms())
        else:
            self._plan.done(began_ms, steady_ms())


def known_migrations() -> tuple[Migration, ...]:
    """The migrations that this version comes with. Raises MigrationError."""
    folder = files("schemas") / "clickhouse"
    return ordered({file.name: file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".sql")})


async def migrate(clickhouse: ClickHouse) -> list[str]:
    """Apply what is missing, in order; returns the names of what was applied.

    Raises ClickHouseUnavailable (retryable: every statement may be repeated) and MigrationError (not retryable).
    """
    known = known_migrations()
    for statement in BOOTSTRAP:
        await clickhouse.execute(statement)
    applied = {int(number): str(checksum) for number, checksum in await clickhouse.rows(_APPLIED)}
    names = []
    for migration in pending(known, applied):
        for statement in migration.statements:
            await clickhouse.execute(statement)
        await clickhouse.execute(
            _WRITE_DOWN,
            {"number": migration.number, "name": migration.name, "checksum": migration.checksum},
        )
        names.append(f"{migration.number:04}_{migration.name}")
    return names


@asynccontextmanager
async def lifespan(app: Application) -> AsyncIterator[None]:
    """ClickHouse, migrated, and the stage that writes to it.

    Raises CannotGoOn where the migrations do not fit the database, and GivenUp when stopped before.
    """
    service, settings = app.service, app.service.settings
    clickhouse = ClickHouse(settings.clickhouse_url, settings.clickhouse_user, settings.clickhouse_password)
    patience = Patience(service)
    service.expect(_CLICKHOUSE)
    try:
        try:
            names = await patience.until_done(lambda: migrate(clickhouse))
        except MigrationError as error:
            raise CannotGoOn(str(error)) from error
        if names:
            log.info("migrations applied: %s", ", ".join(names))
        service.set_assignment(_CLICKHOUSE, [])
        config = StageConfig(
            RECORDER_GROUP,
            (LIFECYCLE_EVENTS,),
            max_records=MAX_RECORDS,
            collect_ms=COLLECT_MS,
            collect_bytes=COLLECT_BYTES,
        )
        plan, limit = RollupPlan(steady_ms()), settings.internal_errors_max
        app.add(Stage(service, config, RecorderHandler(clickhouse, patience, plan, unexplained_max=limit)))
        yield
    finally:
        await clickhouse.close()


async def run(service: Service) -> None:
    """Run until the service is asked to stop. Raises CannotGoOn."""
    try:
        await Application(service, lifespan).serve()
    except GivenUp as reason:
        log.info("%s", reason)


def main(arguments: list[str]) -> int:
    """`python -m services recorder`; returns the exit code."""
    return run_service(SERVICE, run)
