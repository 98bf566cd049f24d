"""Edge: ClickHouse, as the recorder uses it. The only module of the service that knows clickhouse_connect.

Calls block and run in one thread of their own, one after the other. A lost connection is made anew by the next call.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from clickhouse_connect.driver.exceptions import Error as ClickHouseConnectError
from urllib3.exceptions import HTTPError

from services.recorder.rows import insert_body

T = TypeVar("T")
Parameters = Mapping[str, str | int]

EVENTS_TABLE: Final = "sms.events_raw"
INSERT_SETTINGS: Final = {
    "async_insert": 0,  # an answer means that the rows are there
    "wait_end_of_query": 1,
    "optimize_on_insert": 0,  # repeats collapse in merges and reads; doing it here costs a fifth of the insert
    "input_format_skip_unknown_fields": 1,  # fields of a newer version
    "input_format_null_as_default": 1,
}
CONNECT_TIMEOUT_S: Final = 5
ANSWER_TIMEOUT_S: Final = 60
NO_CLICKHOUSE: Final = "something answers there that is no ClickHouse"
"""An answer without X-ClickHouse-Summary: a page for people, with the status of a success."""


class ClickHouseUnavailable(Exception):
    """ClickHouse did not do it: out of reach, out of memory, read-only, a row that it cannot read, ... Retryable.

    `answered`: ClickHouse itself said no, rather than nobody, or something in front of it.
    """

    def __init__(self, sentence: str, *, answered: bool = False) -> None:
        super().__init__(sentence)
        self.answered = answered


class ClickHouse:
    """One connection, for one caller at a time."""

    def __init__(self, url: str, user: str, password: str, ca_file: Path | None = None) -> None:
        """`url` is http://host:port or https://host:port; nothing is connected yet."""
        self._url = urlsplit(url)
        self._credentials = (user, password)
        self._ca_file = str(ca_file) if ca_file is not None else None
        self._client: Client | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="clickhouse")
        for chatter in ("urllib3", "clickhouse_connect"):  # every attempt of theirs; the recorder reports once
            logging.getLogger(chatter).setLevel(logging.CRITICAL)

    async def insert(self, values: Sequence[bytes]) -> None:
        """Write events; returns when they are on disk. Raises ClickHouseUnavailable: nothing is written, or it is in
        some tables only, or (after a lost connection) all of it is there: repeats are harmless."""

        def run(client: Client) -> None:
            done = client.raw_insert(
                EVENTS_TABLE, insert_block=insert_body(values), fmt="JSONEachRow", settings=INSERT_SETTINGS
            )
            if "written_rows" not in done.summary:
                raise ClickHouseUnavailable(f"{self._url.geturl()}: {NO_CLICKHOUSE}")

        await self._call(run)

    async def execute(self, statement: str, parameters: Parameters | None = None) -> None:
        """Run a statement without a result. Raises ClickHouseUnavailable."""
        await self._call(lambda client: client.command(statement, parameters=dict(parameters or {})))

    async def rows(self, query: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        """Return all rows of a small result. Raises ClickHouseUnavailable."""
        result = await self._call(lambda client: client.query(query, parameters=dict(parameters or {})))
        return [tuple(row) for row in result.result_rows]

    async def close(self) -> None:
        """Let go of the connection and the thread."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown()

    async def _call(self, work: Callable[[Client], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, work)

    def _work(self, work: Callable[[Client], T]) -> T:
        try:
            return work(self._connected())
        except (ClickHouseConnectError, HTTPError, OSError) as error:
            if isinstance(error, DatabaseError) and not isinstance(error, OperationalError):
                raise ClickHouseUnavailable(_first_line(error), answered=_is_own(error)) from error
            self._disconnect()
            raise ClickHouseUnavailable(f"{self._url.geturl()} does not answer: {_root(error)}") from error

    def _connected(self) -> Client:
        """Raises what the library raises, and ClickHouseUnavailable."""
        if self._client is None:
            self._client = self._connect()
        return self._client

    def _connect(self) -> Client:
        user, password = self._credentials
        try:
            return clickhouse_connect.get_client(
                interface=self._url.scheme,
                host=self._url.hostname or "127.0.0.1",
                port=self._url.port or (8443 if self._url.scheme == "https" else 8123),
                username=user,
                password=password,
                ca_cert=self._ca_file,
                connect_timeout=CONNECT_TIMEOUT_S,
                send_receive_timeout=ANSWER_TIMEOUT_S,
                query_retries=0,
                compress=False,
                autogenerate_session_id=False,
            )
        except (ValueError, LookupError, TypeError) as error:  # a version or a time zone that it cannot read
            raise ClickHouseUnavailable(f"{self._url.geturl()}: {NO_CLICKHOUSE}: {_first_line(error)}") from error

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def _is_own(error: DatabaseError) -> bool:
    """Whether an answer is ClickHouse's: it has its code, or reads like it."""
    return error.code is not None or "DB::Exception" in str(error)


def _root(error: BaseException) -> str:
    """The last cause, as a word or sentence: what the libraries wrap around it has a new query id every time."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:500] or type(error).__name__
