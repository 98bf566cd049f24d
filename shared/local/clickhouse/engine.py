"""Edge: chdb, ClickHouse's engine in this process: opening a data directory, and connections to it.

All calls block; the server makes them from a thread pool. The engine releases the interpreter while it works.

chdb's own streaming insert (``send_insert``) must not be used: it reports what cannot be parsed, and nothing else. A
violated constraint, a failing materialized view, too many partitions or a full disk end as success with nothing written
(chdb 26.9). The data of an INSERT therefore goes into a spool file first, which the engine then reads.
"""

import fcntl
import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

import chdb

from shared.local.clickhouse.configuration import EngineLimits, server_config, users_config
from shared.local.clickhouse.errors import EngineError
from shared.local.clickhouse.native import empty_block
from shared.local.clickhouse.results import QueryResult
from shared.local.private import make_private_folder

log = logging.getLogger(__name__)

_STORE = "store"
_CONFIG_FILE = Path("config", "config.xml")
_USERS_FILE = Path("config", "users.xml")
_LOCK_FILE = "lock"
_SPOOL = Path("spool")


class DataDirectoryError(Exception):
    """The data directory cannot be used; the text is one sentence for a person."""


class Stream:
    """A result handed out block by block."""

    def __init__(self, result: Any) -> None:
        """Wrap the engine's handle."""
        self._result = result

    def fetch(self) -> bytes | None:
        """Return the next block, None at the end. Raises EngineError when the query fails on the way."""
        try:
            block = self._result.fetch()
        except RuntimeError as error:
            raise EngineError(str(error)) from error
        return None if block is None else bytes(block.bytes())

    def cancel(self) -> None:
        """Stop the query; does nothing at its end."""
        try:
            self._result.cancel()
        except RuntimeError as error:
            raise EngineError(str(error)) from error


class EngineConnection:
    """One connection with settings, database and temporary tables of its own. Not for two threads at once."""

    def __init__(self, raw: Any) -> None:
        """Wrap a connection of chdb."""
        self._raw = raw

    def query(self, sql: str, output_format: str, parameters: Mapping[str, str] | None = None) -> QueryResult:
        """Run one statement to its end. Raises EngineError."""
        try:
            result = self._raw.query(sql, output_format, params=dict(parameters or {}))
        except RuntimeError as error:
            raise EngineError(str(error)) from error
        return QueryResult(
            octets=bytes(result.bytes() or b""),
            read_rows=result.storage_rows_read(),
            read_octets=result.storage_bytes_read(),
            written_rows=result.rows_written(),
            written_octets=result.bytes_written(),
            result_rows=result.rows_read(),
            elapsed_ns=int(result.elapsed() * 1e9),
        )

    def execute(self, sql: str) -> None:
        """Run a statement that has no result. Raises EngineError."""
        self.query(sql, "TabSeparated")

    def rows(self, sql: str) -> list[list[Any]]:
        """Return the rows of a small query as JSON values. Raises EngineError."""
        rows: list[list[Any]] = json.loads(self.query(sql, "JSONCompact").octets)["data"]
        return rows

    def empty_native(self, sql: str, parameters: Mapping[str, str]) -> bytes:
        """Return the Native header block of a query that has no rows, by asking for its columns as JSON."""
        answer = json.loads(self.query(sql, "JSONCompact", parameters).octets or b'{"meta": []}')
        return empty_block([(column["name"], column["type"]) for column in answer["meta"]])

    def stream(self, sql: str, output_format: str, parameters: Mapping[str, str]) -> Stream:
        """Begin a query whose result is fetched in blocks. Raises EngineError."""
        try:
            return Stream(self._raw.send_query(sql, output_format, params=dict(parameters)))
        except RuntimeError as error:
            raise EngineError(str(error)) from error

    def close(self) -> None:
        """Close the connection; its temporary tables are gone."""
        self._raw.close()


class Engine:
    """The engine on one data directory, alive until ``close``. One per process."""

    def __init__(self, keep_alive: EngineConnection, lock: IO[str], version: str, timezone: str) -> None:
        """Use ``open_engine``."""
        self._keep_alive = keep_alive
        self._lock = lock
        self.version = version
        self.timezone = timezone

    @staticmethod
    def new_spool_file() -> IO[bytes]:
        """Return a new file for the data of one INSERT, under a path without odd characters; gone when it is closed."""
        return NamedTemporaryFile(dir=_SPOOL, prefix="insert-")

    def connect(self) -> EngineConnection:
        """Return a fresh connection (0.25 ms)."""
        return _connect(_STORE)

    def close(self) -> None:
        """Write out what is buffered and let go of the directory."""
        self._keep_alive.close()
        self._lock.close()


def open_engine(data_dir: Path, limits: EngineLimits) -> Engine:
    """Open, or create, the data in ``data_dir`` and make it this process's working directory.

    The engine takes its paths as part of a URL-like text, which it splits at ``?`` and ``&``; relative paths keep odd
    characters of the directory out of it. Raises DataDirectoryError when another process has the directory (a killed
    one has not), or it cannot be written or read.
    """
    try:
        if make_private_folder(data_dir):
            log.warning("%s could be read by others: now only its owner may", data_dir)
        lock = _lock(data_dir)
        os.chdir(data_dir)
        shutil.rmtree(_SPOOL, ignore_errors=True)  # what a killed process left
        _SPOOL.mkdir()
        _CONFIG_FILE.parent.mkdir(exist_ok=True)
        _CONFIG_FILE.write_text(server_config(limits, str(_USERS_FILE)))
        _USERS_FILE.write_text(users_config(limits))
    except OSError as error:
        raise DataDirectoryError(f"The data directory {data_dir} cannot be used: {error.strerror}.") from error
    try:
        keep_alive = _connect(f"{_STORE}?config-file={_CONFIG_FILE}")
        version, timezone = keep_alive.rows("SELECT version(), timezone()")[0]
    except (RuntimeError, EngineError) as error:
        raise DataDirectoryError(f"ClickHouse cannot open {data_dir}: {error}") from error
    return Engine(keep_alive, lock, version, timezone)


def _connect(address: str) -> EngineConnection:
    connect: Callable[[str], Any] = chdb.connect  # untyped in chdb
    return EngineConnection(connect(address))


def _lock(data_dir: Path) -> IO[str]:
    """Take the directory for this process; the kernel lets go of it when the process ends, however it ends."""
    lock = (data_dir / _LOCK_FILE).open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        lock.close()
        raise DataDirectoryError(f"The data directory {data_dir} is in use by process {owner}.") from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock
