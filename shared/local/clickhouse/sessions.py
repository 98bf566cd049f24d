"""Edge: which connection of the engine a request runs on, and with which settings.

Without ``session_id`` every request has a fresh connection, so nothing can leak. With one, the connection (temporary
tables, ``SET``, ``USE``) lives on, but settings and database of the query string are of that request alone: they are
put back before the request is answered, so that the client's next one finds the session free and clean.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

from shared.local.clickhouse.engine import Engine, EngineConnection
from shared.local.clickhouse.errors import SESSION_IS_LOCKED, SESSION_NOT_FOUND, ClickHouseError
from shared.local.clickhouse.requests import HttpRequest
from shared.local.clickhouse.statements import quoted, quoted_name

# ``readonly`` cannot be undone on a connection, so it is part of what a session is known by.
SessionKey = tuple[int, str]


@dataclass(slots=True)
class _Session:
    connection: EngineConnection
    expires_at: float
    busy: bool = True


class Sessions:
    """Lends out connections. All state is touched from the event loop only; the engine works in the pool."""

    def __init__(self, engine: Engine, pool: ThreadPoolExecutor, clock: Callable[[], float]) -> None:
        """``clock`` gives monotonic seconds, for the time that an unused session lives."""
        self._engine = engine
        self._pool = pool
        self._clock = clock
        self._sessions: dict[SessionKey, _Session] = {}

    @asynccontextmanager
    async def connection(self, request: HttpRequest) -> AsyncIterator[EngineConnection]:
        """Lend the connection for one request, prepared with its settings.

        Raises ClickHouseError: 373 SESSION_IS_LOCKED while another request runs in the same session, 372
        SESSION_NOT_FOUND for ``session_check=1`` without one, the engine's own for settings it does not know.
        """
        await self._close_expired()
        if request.session is None:
            async with self._fresh(request) as connection:
                yield connection
            return
        session = await self._claim(request)
        loop = asyncio.get_running_loop()
        undo: list[str] = []
        try:
            undo = await loop.run_in_executor(self._pool, _undo_statements, session.connection, request)
            await loop.run_in_executor(self._pool, _apply, session.connection, request)
            yield session.connection
        finally:
            try:
                await loop.run_in_executor(self._pool, _execute_all, session.connection, undo)
            finally:
                session.expires_at = self._clock() + request.session.timeout_s
                session.busy = False

    async def close(self) -> None:
        """Close every session that is not in use."""
        await self._close_expired(everything=True)

    @asynccontextmanager
    async def _fresh(self, request: HttpRequest) -> AsyncIterator[EngineConnection]:
        loop = asyncio.get_running_loop()
        connection = await loop.run_in_executor(self._pool, self._open, request.read_only)
        try:
            await loop.run_in_executor(self._pool, _apply, connection, request)
            yield connection
        finally:
            await loop.run_in_executor(self._pool, connection.close)

    async def _claim(self, request: HttpRequest) -> _Session:
        choice = request.session
        assert choice is not None  # noqa: S101 - the caller has looked
        key = (request.read_only, choice.session_id)
        session = self._sessions.get(key)
        if session is None:
            if choice.must_exist:
                raise ClickHouseError(SESSION_NOT_FOUND, "Session not found.")
            loop = asyncio.get_running_loop()
            opening = await loop.run_in_executor(self._pool, self._open, request.read_only)
            session = self._sessions.setdefault(key, _Session(opening, 0.0))
            if session.connection is opening:
                return session
            await loop.run_in_executor(self._pool, opening.close)  # another request was faster
        if session.busy:
            text = f"Session {choice.session_id} is locked by a concurrent client."
            raise ClickHouseError(SESSION_IS_LOCKED, text)
        session.busy = True
        return session

    def _open(self, read_only: int) -> EngineConnection:
        connection = self._engine.connect()
        if read_only:
            connection.execute(f"SET readonly = {read_only}")
        return connection

    async def _close_expired(self, *, everything: bool = False) -> None:
        now = self._clock()
        gone = [key for key, s in self._sessions.items() if not s.busy and (everything or s.expires_at < now)]
        closing = [self._sessions.pop(key).connection for key in gone]
        for connection in closing:
            await asyncio.get_running_loop().run_in_executor(self._pool, connection.close)


def _apply(connection: EngineConnection, request: HttpRequest) -> None:
    if request.database:
        connection.execute(f"USE {quoted_name(request.database)}")
    if request.settings:
        connection.execute(_set_statement(request.settings))


def _set_statement(settings: Mapping[str, str]) -> str:
    return "SET " + ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items())


def _undo_statements(connection: EngineConnection, request: HttpRequest) -> list[str]:
    """Return what puts the session's own database and settings back after the request."""
    undo = []
    if request.database:
        [[database]] = connection.rows("SELECT currentDatabase()")
        undo.append(f"USE {quoted_name(database)}")
    if request.settings:
        names = ", ".join(quoted(name) for name in request.settings)
        rows = f"SELECT name, value, changed FROM system.settings WHERE name IN ({names})"  # noqa: S608 - quoted above
        known = connection.rows(rows)
        before = [f"{name} = {quoted(value) if changed else 'DEFAULT'}" for name, value, changed in known]
        undo += [f"SET {', '.join(before)}"] if before else []
    return undo


def _execute_all(connection: EngineConnection, statements: list[str]) -> None:
    for statement in statements:
        connection.execute(statement)
