"""Edge: the recorder as a process: one stage with fat batches, the migrations before it, the roll-up between
batches."""

import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
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
from services.recorder.retention import TABLE_DEFINITIONS, oldest_s, statements_for
from services.recorder.rollup import (
    CLOSED_HOUR,
    DIRTY_HOURS,
    IN_ONE_GO_MS,
    MARK_HOUR,
    NUMBERS,
    OPEN_HOUR,
    RollupPlan,
    open_since_s,
)
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

    def __init__(
        self, clickhouse: ClickHouse, patience: Patience, plan: RollupPlan, *, unexplained_max: int, keep_days: int = 0
    ) -> None:
        """`keep_days`: for how many days messages are kept; 0: for ever."""
        self._clickhouse = clickhouse
        self._keep_days = keep_days
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
        time_s = now_ms() // 1000
        try:
            limits = {"open_s": open_since_s(time_s), "oldest_s": oldest_s(self._keep_days, time_s)}
            found = await self._clickhouse.rows(DIRTY_HOURS, limits)
            is_numbered = {int(hour_s): bool(numbered) for hour_s, numbered in found}
            hours = self._plan.choose(is_numbered, began_ms, time_s)
            for place, hour_s in enumerate(hours):
                if steady_ms() - began_ms > IN_ONE_GO_MS:
                    self._plan.put_back(hours[place:], steady_ms())
                    break
                is_closed = hour_s < open_since_s(time_s)
                await roll_up(self._clickhouse, hour_s, is_closed=is_closed, is_numbered=is_numbered.get(hour_s, True))
        except ClickHouseUnavailable as error:
            log.warning("the roll-up has to wait: %s", error)
            self._plan.put_back(hours, steady_ms())
        else:
            self._plan.done(began_ms, steady_ms())


async def roll_up(clickhouse: ClickHouse, hour_s: int, *, is_closed: bool, is_numbered: bool = True) -> None:
    """Recompute an hour. Raises ClickHouseUnavailable: some of it is done then, and it is still due.

    `is_numbered`: the numbers of its messages are in the index already.
    """
    began_ms = steady_ms()
    statements = CLOSED_HOUR if is_closed else OPEN_HOUR
    for statement in statements if is_numbered else (NUMBERS, *statements):
        await clickhouse.execute(statement, {"hour_s": hour_s})
    took = {"hour_s": hour_s, "is_closed": int(is_closed), "took_ms": steady_ms() - began_ms}
    await clickhouse.execute(MARK_HOUR, took)


async def apply_retention(clickhouse: ClickHouse, retention: Mapping[str, int]) -> list[str]:
    """See to it that ClickHouse keeps each table for as long as is said; returns the tables that were changed.

    Raises ClickHouseUnavailable.
    """
    found = {str(name): str(sql) for name, sql in await clickhouse.rows(TABLE_DEFINITIONS)}
    changes = statements_for(retention, found)
    for statement in changes.values():
        await clickhouse.execute(statement)
    return list(changes)


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
    clickhouse = ClickHouse(
        settings.clickhouse_url, settings.clickhouse_user, settings.clickhouse_password, settings.clickhouse_cafile
    )
    patience = Patience(service)
    service.expect(_CLICKHOUSE)
    try:
        try:
            names = await patience.until_done(lambda: migrate(clickhouse))
            retention = settings.retention
            changed = await patience.until_done(lambda: apply_retention(clickhouse, retention))
        except MigrationError as error:
            raise CannotGoOn(str(error)) from error
        if names:
            log.info("migrations applied: %s", ", ".join(names))
        if changed:
            log.info("for how long tables are kept was changed: %s", ", ".join(changed))
        service.set_assignment(_CLICKHOUSE, [])
        config = StageConfig(
            RECORDER_GROUP,
            (LIFECYCLE_EVENTS,),
            max_records=MAX_RECORDS,
            collect_ms=COLLECT_MS,
            collect_bytes=COLLECT_BYTES,
        )
        plan, limit = RollupPlan(steady_ms()), settings.internal_errors_max
        handler = RecorderHandler(
            clickhouse, patience, plan, unexplained_max=limit, keep_days=retention.get("messages", 0)
        )
        app.add(Stage(service, config, handler))
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
