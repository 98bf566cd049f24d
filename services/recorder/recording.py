"""Edge: from records to rows: insert a batch, find the rows that are at fault, wait for a server that is.

Which of the two it is no list of error codes tells: it is tried, with a row that is known to be good (the probe).
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

from services.recorder.clickhouse import ClickHouseUnavailable
from services.recorder.patience import SERVICE, Patience
from services.recorder.probe import partition_time_ms, probe_row
from services.recorder.rows import RowProblem, problem_of
from shared.kafka.records import In, Out, dead_letter
from shared.process.metrics import CLICKHOUSE_PROBES

log = logging.getLogger(__name__)

TRIES: Final = 4
"""So often a row that looks good is refused, alone and by a well server, before it is at fault. After the n-th time n
probes must pass: then no trouble looks like a row at fault that comes and goes in turns of up to `PERIOD` calls (some
of the replicas behind a load balancer), or that lasts for two calls or more."""
PERIOD: Final = 13


class EventTable(Protocol):
    """Where events go (services.recorder.clickhouse.ClickHouse is one)."""

    async def insert(self, values: Sequence[bytes]) -> None:
        """Raises ClickHouseUnavailable: nothing is written, or some, or all; repeats are harmless."""


class Recording:
    """Batches of one consumer, one after the other.

    `unexplained_max`: so many rows that look good to us and that ClickHouse refuses are no matter of rows any more, in
    one batch, or in batches in a row of which nothing goes in.
    """

    def __init__(self, table: EventTable, patience: Patience, unexplained_max: int) -> None:
        self._table = table
        self._patience = patience
        self._unexplained_max = unexplained_max
        self._in_a_row = 0

    async def record(self, records: Sequence[In], at_ms: int) -> list[Out]:
        """Insert the events of `records`; returns the dead letters of those that cannot be, in their order.

        When it returns, every event is either on ClickHouse's disk or a dead letter to be produced. A refused part is
        looked through, and what looks bad is tried apart; what looks good is cut in halves until one row is left.
        Raises GivenUp when the process is stopped meanwhile.
        """
        batch = _Batch(records)
        parts = [[place for place, record in enumerate(records) if record.value]]
        if parts[0]:
            self._patience.has_in_hand(min(record.timestamp for record in records))
        written = False
        while parts:
            part = parts.pop()
            refusal = await self._refusal(batch, part) if part else None
            if refusal is None:
                written = written or bool(part)
                continue
            bad = [place for place in part if batch.problem(place)]
            if len(bad) == len(part) and refusal.answered:
                batch.refused |= dict.fromkeys(bad, "")
            elif bad and len(bad) < len(part):
                parts += [bad, [place for place in part if not batch.problem(place)]]
            elif len(part) > 1:
                parts += [part[len(part) // 2 :], part[: len(part) // 2]]
            else:
                batch.refused[part[0]] = str(refusal)
                before = 0 if written else self._in_a_row
                if before + len(batch.unexplained()) >= self._unexplained_max:
                    parts.append(await self._hold(batch, part))
                    written = True
        self._in_a_row = 0 if written else self._in_a_row + len(batch.unexplained())
        if batch.refused:
            log.warning("%d events become dead letters of %s", len(batch.refused), records[0].topic)
        return batch.letters(at_ms)

    async def _refusal(self, batch: "_Batch", part: list[int]) -> ClickHouseUnavailable | None:
        """Insert the rows of `part`, in the end. Returns why ClickHouse, which is well, does not take all of them.

        That a row alone is not taken counts only where ClickHouse says so itself.
        """
        values = batch.values(part)
        probe = _Probe(self._table, self._patience, batch.probe(part))
        tried = said_no = 0
        while True:
            try:
                await self._patience.call(lambda: self._table.insert(values))
            except ClickHouseUnavailable as error:
                refusal = error
            else:
                self._patience.works()
                return None
            if not await probe.passes(1 + tried % PERIOD):
                tried = said_no = 0
                continue
            if len(part) > 1:
                return refusal
            tried += 1
            said_no = said_no + 1 if refusal.answered else 0
            if said_no >= (1 if batch.problem(part[0]) else TRIES):
                return refusal
            await self._patience.pause(tried, None if refusal.answered else refusal)

    async def _hold(self, batch: "_Batch", part: list[int]) -> list[int]:
        """Too many rows that look good are refused: a mistake of ours, or somebody changed the tables.

        None of them becomes a dead letter before somebody mends it and the row of `part` goes in. Returns the other
        rows, to be tried anew.
        """

        async def attempt() -> None:
            try:
                await self._table.insert(batch.values(part))
            except ClickHouseUnavailable as error:
                raise ClickHouseUnavailable(
                    f"it takes the recorder's own row, but {self._unexplained_max} events in a row that look good are "
                    f"refused (SMSGW_INTERNAL_ERRORS_MAX), the last with: {error}"
                ) from error

        await self._patience.until_done(attempt)
        again = [place for place in batch.unexplained() if place not in part]
        for place in batch.unexplained():
            del batch.refused[place]
        return again


class _Probe:
    """A row that is known to be good, for the partition and the size of some rows."""

    def __init__(self, table: EventTable, patience: Patience, row: Callable[[], bytes]) -> None:
        self._table = table
        self._patience = patience
        self._make_row = row
        self._row = b""
        self._failures = 0

    async def passes(self, times: int) -> bool:
        """Whether the server takes it so many times. If not, returns when it does again.

        Then one probe more follows than the last time, whatever comes of it: else the next call could meet the same one
        of several replicas for ever.
        """
        self._row = self._row or self._make_row()
        try:
            for _ in range(times):
                await self._patience.call(self._insert)
        except ClickHouseUnavailable as error:
            await self._patience.pause(0, error)
            await self._patience.until_done(self._insert)
            for _ in range(self._failures % PERIOD):
                with suppress(ClickHouseUnavailable):
                    await self._patience.call(self._insert)
            self._failures += 1
            return False
        return True

    async def _insert(self) -> None:
        try:
            await self._table.insert([self._row])
        except ClickHouseUnavailable:
            CLICKHOUSE_PROBES.labels("refused").inc()
            raise
        CLICKHOUSE_PROBES.labels("taken").inc()


class _Batch:
    """The records in hand, by their place, and what is known of them."""

    def __init__(self, records: Sequence[In]) -> None:
        self._records = records
        self._problems: dict[int, RowProblem | None] = {}
        self.refused: dict[int, str] = {place: "" for place, record in enumerate(records) if not record.value}
        """The dead letters to be; with ClickHouse's sentence where we see no problem."""

    def values(self, part: list[int]) -> list[bytes]:
        return [self._records[place].value or b"" for place in part]

    def problem(self, place: int) -> RowProblem | None:
        """What we see wrong with a row. Looked at only when something was refused."""
        if place not in self._problems:
            record = self._records[place]
            self._problems[place] = problem_of(record.value or None, record.timestamp)
        return self._problems[place]

    def unexplained(self) -> list[int]:
        return sorted(place for place, sentence in self.refused.items() if sentence)

    def probe(self, part: list[int]) -> Callable[[], bytes]:
        """What makes a probe for the partition of the first row of `part`, longer than the longest."""

        def row() -> bytes:
            first = self._records[part[0]]
            at_ms = partition_time_ms(first.value or b"", first.timestamp)
            return probe_row(at_ms, max(map(len, self.values(part))))

        return row

    def letters(self, at_ms: int) -> list[Out]:
        found = []
        for place, sentence in sorted(self.refused.items()):
            record = self._records[place]
            problem = self.problem(place) or RowProblem("invalid_record", "", sentence)
            found.append(
                dead_letter(
                    record,
                    reason=problem.reason,
                    error=problem.sentence,
                    at_ms=at_ms,
                    service=SERVICE,
                    field=problem.field,
                )
            )
        return found
