"""Edge: waiting for ClickHouse as long as it takes, seen from outside: the beat says since when and why."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final, Protocol, TypeVar

from schemas.service_states import CLICKHOUSE_SAYS
from schemas.topics import LIFECYCLE_EVENTS, TOPICS
from services.recorder.clickhouse import ClickHouseUnavailable
from shared.membership.handler import GivenUp
from shared.process.clock import monotonic_s
from shared.process.metrics import CLICKHOUSE_WAITED, CLICKHOUSE_WAITING

T = TypeVar("T")

log = logging.getLogger(__name__)

SERVICE: Final = "recorder"
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
ALIVE_EVERY_S: Final = 5.0
LONGEST_CALL_S: Final = 300.0
"""Some calls of one attempt, each with its own time limit; a loop that hangs for longer is not alive any more."""
ERROR_MAX: Final = 250
"""Characters of ClickHouse's own sentence in the beat; the log has more."""

_KEPT_DAYS: Final = next(topic.retention_ms or 0 for topic in TOPICS if topic.name == LIFECYCLE_EVENTS) // 86_400_000


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
        self._told = ""
        self._oldest_ms: int | None = None

    def has_in_hand(self, oldest_ms: int) -> None:
        """The oldest event that would wait is of this time."""
        self._oldest_ms = oldest_ms

    async def until_done(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what `attempt` returns, in the end. Raises GivenUp when the process is stopped meanwhile."""
        tries = 0
        while True:
            try:
                result = await self.call(attempt)
            except ClickHouseUnavailable as error:
                await self.pause(tries, error)
                tries += 1
            else:
                self.works()
                return result

    async def call(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what `attempt` returns, once. The process is alive while ClickHouse thinks: a call has an end."""
        async with self._alive():
            return await attempt()

    async def pause(self, tries: int, error: Exception | None = None) -> None:
        """Wait before the next try, the longer the more there were; `error` is why, where that is the server's matter.

        Raises GivenUp when the process is stopped meanwhile.
        """
        if error is not None:
            self._tell(error)
        pause_s = min(FIRST_PAUSE_S * 2 ** min(tries, 10), LONGEST_PAUSE_S)
        began_s = monotonic_s()
        self._host.progress(SERVICE)
        try:
            await asyncio.wait_for(self._host.stopping.wait(), pause_s)
        except TimeoutError:
            return
        finally:
            CLICKHOUSE_WAITED.inc(monotonic_s() - began_s)
        raise GivenUp("stopped while ClickHouse took no events; Kafka keeps them")

    def works(self) -> None:
        """ClickHouse does what it is asked for."""
        if self._told:
            log.warning("ClickHouse works again")
            if self._host.last_error == self._told:
                self._host.last_error = ""
            self._told = ""
            CLICKHOUSE_WAITING.set(0)

    def _tell(self, error: Exception) -> None:
        sentence = f"{CLICKHOUSE_SAYS}{str(error)[:ERROR_MAX]}"
        if self._oldest_ms is not None:
            since = datetime.fromtimestamp(self._oldest_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
            sentence += f"; events since {since} UTC wait, Kafka keeps them for {_KEPT_DAYS} days"
        if sentence != self._told:
            log.warning("%s; trying again", sentence)
        self._told = self._host.last_error = sentence
        CLICKHOUSE_WAITING.set(1)

    @asynccontextmanager
    async def _alive(self) -> AsyncIterator[None]:
        """The loop counts as advancing meanwhile, for `LONGEST_CALL_S` at most."""
        beating = asyncio.create_task(self._progress())
        try:
            yield
        finally:
            beating.cancel()

    async def _progress(self) -> None:
        for _ in range(int(LONGEST_CALL_S / ALIVE_EVERY_S)):
            self._host.progress(SERVICE)
            await asyncio.sleep(ALIVE_EVERY_S)
