"""Edge: ClickHouse as the door reads it: a few queries at a time, none for long. Sending works without it."""

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from services.http_api.access import Declined
from services.http_api.problems import problem
from shared.process.settings import ClickHouseSettings

log = logging.getLogger(__name__)

AT_ONCE: Final = 4
WAITING_MAX: Final = 64
QUERY_S: Final = 10
ANSWER_S: Final = 13.0

Rows = list[dict[str, Any]]


class ClickHouseReads:
    """Threads of its own, and one client, made when it is first needed: a door that only sends has none."""

    def __init__(self, settings: ClickHouseSettings) -> None:
        self._settings: Final = settings
        self._threads: Final = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="clickhouse")
        self._client: Any = None
        self._asked = 0
        for chatter in ("urllib3", "clickhouse_connect"):
            logging.getLogger(chatter).setLevel(logging.CRITICAL)

    async def rows(self, query: str, parameters: Mapping[str, Any]) -> Rows:
        """All rows, by name of column. Raises `Declined`: `clickhouse_unavailable`."""
        if self._asked >= WAITING_MAX:
            raise Declined(problem("clickhouse_unavailable", "", "too many reads wait for it"))
        self._asked += 1
        asking = asyncio.get_running_loop().run_in_executor(self._threads, self._rows, query, dict(parameters))
        asking.add_done_callback(self._answered)
        try:
            async with asyncio.timeout(ANSWER_S):
                return await asyncio.shield(asking)
        except TimeoutError:
            raise Declined(problem("clickhouse_unavailable", "", "no answer in time")) from None

    def stop(self) -> None:
        """Let go of it; what is being asked is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            self._client.close()

    def _answered(self, asking: "asyncio.Future[Rows]") -> None:
        self._asked -= 1
        if not asking.cancelled():
            asking.exception()  # whoever asked may be gone

    def _rows(self, query: str, parameters: dict[str, Any]) -> Rows:
        # a door that only sends does without these
        from shared.operations.clickhouse_access import ask, clickhouse
        from shared.operations.errors import Unreachable

        try:
            if self._client is None:
                self._client = clickhouse(self._settings)
            return ask(self._client, self._settings, query, parameters, QUERY_S)
        except Unreachable as error:
            log.warning("%s", str(error).splitlines()[0])
            raise Declined(problem("clickhouse_unavailable")) from None
