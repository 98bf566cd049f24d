"""Edge: running one request on the engine.

Three ways through: an INSERT with data is run when its data has come, to a file; a SELECT in a format that can be
cut is streamed out block by block; everything else is run to its end and answered whole. The engine's blocking calls
are made in a thread pool. A request's session is free again before the client sees the end of its answer.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

from shared.local.clickhouse.answers import (
    HttpAnswer,
    HttpHeaders,
    common_headers,
    packed,
    result_headers,
    stream_failure,
    summary_header,
)
from shared.local.clickhouse.engine import Engine, EngineConnection, Stream
from shared.local.clickhouse.errors import NOT_ENOUGH_SPACE, SYNTAX_ERROR, ClickHouseError
from shared.local.clickhouse.exchange import Exchange
from shared.local.clickhouse.requests import HttpRequest
from shared.local.clickhouse.sessions import Sessions
from shared.local.clickhouse.statements import (
    STATEMENT_OCTETS_MAX,
    InsertHead,
    NotReadYet,
    Statement,
    find_insert,
    may_be_streamed,
    output_format,
    parse,
    refuse_forbidden,
    returns_rows,
    without_format,
)

P = ParamSpec("P")
T = TypeVar("T")

_STREAMABLE_FORMATS = frozenset({"Native", "TabSeparated", "TSV", "CSV", "RowBinary", "JSONEachRow"})


class Execution:
    """Runs requests; holds nothing between them but the sessions."""

    def __init__(self, engine: Engine, sessions: Sessions, pool: ThreadPoolExecutor) -> None:
        """Everything is shared with the application around it."""
        self._engine = engine
        self._sessions = sessions
        self._pool = pool

    async def run(self, request: HttpRequest, exchange: Exchange) -> HttpAnswer | None:
        """Run one request; return its answer, or None when it was streamed to the client already.

        Raises ClickHouseError for everything that can still be answered with a status of its own, and ClientGoneError.
        """
        async with aclosing(exchange.body(request)) as body:
            received, head = await _read_statement(request.statement, body)
            if isinstance(head, InsertHead):
                refuse_forbidden(parse(head.statement.encode()), read_only=bool(request.read_only))
                return await self._insert(request, head, received[head.data_offset :], body)
        if not received.strip():
            return HttpAnswer(200, self._headers(request), b"Ok.\n")
        statement = parse(received)
        refuse_forbidden(statement, read_only=bool(request.read_only))
        format_name = output_format(statement) or request.default_format
        if may_be_streamed(statement) and format_name in _STREAMABLE_FORMATS and not request.wait_end_of_query:
            await self._stream(request, statement, format_name, exchange)
            return None
        return await self._whole(request, statement, format_name)

    def _headers(self, request: HttpRequest) -> HttpHeaders:
        return common_headers(request.query_id, self._engine.timezone)

    async def _insert(
        self, request: HttpRequest, head: InsertHead, data: bytes, body: AsyncIterator[bytes]
    ) -> HttpAnswer:
        """Collect the data, then run the INSERT; a client that goes away before its data is whole leaves nothing."""
        with _spooling(), self._engine.new_spool_file() as spool:
            spool.write(data)
            async for octets in body:
                spool.write(octets)
            spool.flush()
            statement = head.reading_from(str(Path(spool.name).relative_to(Path.cwd())))
            async with self._sessions.connection(request) as connection:
                result = await self._call(connection.query, statement, "Null", request.parameters)
        return HttpAnswer(200, [*self._headers(request), summary_header(result)])

    async def _whole(self, request: HttpRequest, statement: Statement, format_name: str) -> HttpAnswer:
        async with self._sessions.connection(request) as connection:
            result = await self._call(connection.query, statement.text, format_name, request.parameters)
            octets = result.octets
            if not octets and format_name == "Native" and returns_rows(statement):
                octets = await self._empty_native(connection, request, statement)
        headers = [*self._headers(request), summary_header(result)]
        if not octets and not returns_rows(statement):
            return HttpAnswer(200, headers)  # no result set: clients look for X-ClickHouse-Format to tell
        return HttpAnswer(200, [*headers, *result_headers(request, format_name)], packed(request, octets))

    async def _stream(self, request: HttpRequest, statement: Statement, format_name: str, exchange: Exchange) -> None:
        async with self._sessions.connection(request) as connection:
            stream = await self._call(connection.stream, statement.text, format_name, request.parameters)
            try:
                first = await self._call(stream.fetch)  # an error up to here still has a status of its own
                if first is None and format_name == "Native":
                    first = await self._empty_native(connection, request, statement)
                tag = uuid.uuid4().hex[:16]
                mark = (b"x-clickhouse-exception-tag", tag.encode())
                headers = [*self._headers(request), mark, *result_headers(request, format_name)]
                async with aclosing(self._blocks(request, stream, first, tag)) as blocks:
                    await exchange.send_stream(headers, blocks)
            finally:
                await self._call(stream.cancel)
        await exchange.end_stream()

    async def _blocks(
        self, request: HttpRequest, stream: Stream, first: bytes | None, tag: str
    ) -> AsyncGenerator[bytes, None]:
        block = first
        try:
            while block:
                yield await self._call(packed, request, block)
                block = await self._call(stream.fetch)
        except ClickHouseError as error:
            yield packed(request, stream_failure(error, tag))

    async def _empty_native(self, connection: EngineConnection, request: HttpRequest, statement: Statement) -> bytes:
        return await self._call(connection.empty_native, without_format(statement), request.parameters)

    async def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: function(*args, **kwargs))


@contextmanager
def _spooling() -> Generator[None, None, None]:
    """Turn what the file system refuses into an error of ClickHouse's."""
    try:
        yield
    except OSError as error:
        raise ClickHouseError(NOT_ENOUGH_SPACE, f"Cannot store the data of the INSERT: {error.strerror}.") from error


async def _read_statement(begun: bytes, body: AsyncIterator[bytes]) -> tuple[bytes, InsertHead | NotReadYet]:
    """Read until an INSERT's head is whole, or else to the end of the statement; return what was read.

    ``begun`` is what the query string already gave.
    """
    received = bytearray(begun)
    found = find_insert(begun, complete=False) if begun else NotReadYet.INCOMPLETE
    while not isinstance(found, InsertHead):
        octets = await anext(body, b"")
        if not octets:
            return bytes(received), find_insert(bytes(received), complete=True)
        received += octets
        if found is NotReadYet.INCOMPLETE:
            found = find_insert(bytes(received), complete=False)
        if found is NotReadYet.QUERY and len(received) > STATEMENT_OCTETS_MAX:
            raise ClickHouseError(SYNTAX_ERROR, f"The statement is longer than {STATEMENT_OCTETS_MAX} octets.")
    return bytes(received), found
