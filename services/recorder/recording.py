"""Edge: from records to rows: insert a batch, set the rows aside that cannot be inserted, wait as long as it takes."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, TypeVar

from services.recorder.clickhouse import ClickHouse, ClickHouseUnavailable, RowsRefused
from services.recorder.rows import RowProblem, problem_of
from shared.kafka.records import In, Out, dead_letter
from shared.membership.handler import GivenUp

T = TypeVar("T")

log = logging.getLogger(__name__)

SERVICE: Final = "recorder"
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 3.0
SAME_ANSWERS: Final = 3
"""How often ClickHouse may give the same error for a body before the body itself is suspected."""


class Host(Protocol):
    """What recording needs of the process around it (shared.process.service.Service has it)."""

    last_error: str

    @property
    def stopping(self) -> asyncio.Event: ...
    def progress(self, part: str = "") -> None: ...


class Patience:
    """Tries again until it works, with growing pauses, and tells the process's health why it waits."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def until_done(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what `attempt` returns, in the end. Raises GivenUp when the process is stopped meanwhile, and
        RowsRefused."""
        pause_s = FIRST_PAUSE_S
        while True:
            self._host.progress(SERVICE)
            try:
                result = await attempt()
            except ClickHouseUnavailable as error:
                sentence = f"ClickHouse: {error}"
                if sentence != self._host.last_error:
                    log.warning("%s; trying again", sentence)
                self._host.last_error = sentence
            except RowsRefused:
                self._answers()
                raise
            else:
                self._answers()
                return result
            try:
                await asyncio.wait_for(self._host.stopping.wait(), pause_s)
            except TimeoutError:
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            else:
                raise GivenUp("stopped while ClickHouse did not answer; Kafka keeps the events")

    def _answers(self) -> None:
        if self._host.last_error.startswith("ClickHouse: "):
            log.warning("ClickHouse answers again")
            self._host.last_error = ""


async def record(clickhouse: ClickHouse, patience: Patience, records: Sequence[In], at_ms: int) -> list[Out]:
    """Insert the events of `records`; returns the dead letters of those that cannot be.

    When it returns, every event is either on ClickHouse's disk or a dead letter to be produced. A refused part is
    looked through; when nothing is to be seen, it is cut in halves until one row is left.
    """
    inserting = _Inserting(clickhouse, patience)
    letters: list[Out] = []
    parts: list[Sequence[In]] = [records]
    values = [r.value for r in records]
    if not all(values):
        parts = [[r for r in records if r.value]]
        letters = [_letter(r, at_ms) for r in records if not r.value]
    while parts:
        part = parts.pop()
        if not part:
            continue
        refusal = await inserting.insert(part)
        if refusal is None:
            continue
        good = [r for r in part if problem_of(r.value, r.timestamp) is None]
        if len(good) < len(part):
            letters += [_letter(r, at_ms) for r in part if problem_of(r.value, r.timestamp) is not None]
            parts.append(good)
        elif len(part) == 1:
            letters.append(_letter(part[0], at_ms, refusal))
        else:
            parts += [part[len(part) // 2 :], part[: len(part) // 2]]
    return letters


class _Inserting:
    """The inserts of one batch. An error that is known to be of rows, or comes again and again from a server that is
    well otherwise, is the rows' fault: waiting would hold up everything behind them for ever."""

    def __init__(self, clickhouse: ClickHouse, patience: Patience) -> None:
        self._clickhouse = clickhouse
        self._patience = patience
        self._answers: Counter[int] = Counter()

    async def insert(self, part: Sequence[In]) -> str | None:
        """Insert the rows of `part`, in the end; returns ClickHouse's sentence when it cannot take one of them."""
        values = [r.value or b"" for r in part]
        try:
            await self._patience.until_done(lambda: self._attempt(values))
        except RowsRefused as refusal:
            return str(refusal)
        return None

    async def _attempt(self, values: Sequence[bytes]) -> None:
        try:
            await self._clickhouse.insert(values)
        except ClickHouseUnavailable as error:
            if error.code is None:
                raise
            self._answers[error.code] += 1
            if self._answers[error.code] < SAME_ANSWERS or not await self._clickhouse.takes_inserts():
                raise
            raise RowsRefused(str(error)) from error


def _letter(record: In, at_ms: int, refusal: str = "") -> Out:
    problem = problem_of(record.value, record.timestamp) or RowProblem("invalid_record", "", refusal)
    return dead_letter(
        record,
        reason=problem.reason,
        error=problem.sentence,
        at_ms=at_ms,
        service=SERVICE,
        field=problem.field,
    )
