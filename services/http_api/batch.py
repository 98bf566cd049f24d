"""Edge: many messages in one request: a JSON document at once, or CSV and NDJSON as a stream of any length.

A stream is answered while it comes: reading and answering are two tasks, so that a client which reads nothing before it
has sent everything goes on until `ANSWERS_KEPT` octets wait for it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.http_api.access import (
    BODY_WITHIN_S,
    IDEMPOTENCY_KEY_MAX,
    ApiRequest,
    Declined,
    body_of,
    idempotency_key,
    json_response,
    media_type,
)
from services.http_api.batch_rows import (
    BOM,
    ROW_OCTETS_MAX,
    BatchRow,
    RowSplitter,
    csv_columns,
    csv_reader,
    read_json_row,
    said_by,
)
from services.http_api.intake import Prepared, judge_object, prepared_of
from services.http_api.problems import Problem, problem
from services.http_api.publisher import KafkaHasIt
from services.http_api.sending import Sending
from shared.messages.admission import Check, NotAnObject, read_object
from shared.process.clock import now_ms
from shared.process.yielding import Yielding

BATCH_OCTETS_MAX: Final = 8 << 20
BATCH_MESSAGES_MAX: Final = 5_000
ANSWERS_KEPT: Final = 64 << 20
ROWS_AT_ONCE: Final = 1_000

_NDJSON: Final = "application/x-ndjson"
_CSV: Final = "text/csv"
_UNKNOWN: Final = "kafka_unavailable"

_ReadRow = Callable[[bytes, Mapping[str, Any]], BatchRow | Problem]

RowResult = dict[str, Any]
"""What became of one row: `message_id`, or reason and field."""


class _Job(NamedTuple):
    """What is the same for all rows of a request."""

    asked: ApiRequest
    key: str | None
    defaults: dict[str, Any]


class Batches:
    """The endpoint."""

    def __init__(self, sending: Sending) -> None:
        self._sending: Final = sending

    async def send(self, asked: ApiRequest) -> Response:
        """Publish many."""
        kind = media_type(asked.request)
        key = idempotency_key(asked.request)
        if key is not None and len(key) > IDEMPOTENCY_KEY_MAX - 2:
            raise Declined(problem("invalid_field", "idempotency_key", "too long for `:` and a number behind it"))
        if kind == "application/json":
            return await self._document(asked, key)
        if kind not in (_NDJSON, _CSV):
            told = f"application/json, {_NDJSON} or {_CSV} is taken here"
            raise Declined(problem("unsupported_media_type", "", told))
        return await self._stream(_Job(asked, key, said_by(asked.query.items())), quoted=kind == _CSV)

    async def _document(self, asked: ApiRequest, key: str | None) -> Response:
        if asked.query:
            raise Declined(problem("invalid_field", next(iter(asked.query)), "the document has its own defaults"))
        messages, defaults, checks = _messages_of(await body_of(asked.request, BATCH_OCTETS_MAX))
        job = _Job(asked, key, defaults)
        rows = [_object_row(message, defaults, checks) for message in messages]
        outcomes = await self._outcomes(job, 0, rows)
        if all(one.get("reason") == _UNKNOWN for one in outcomes):
            raise Declined(problem(_UNKNOWN))
        rejected = sum("reason" in one for one in outcomes)
        results = [{"index": index} | one for index, one in enumerate(outcomes)]
        return json_response({"accepted": len(results) - rejected, "rejected": rejected, "results": results}, 202)

    async def _stream(self, job: _Job, *, quoted: bool) -> Response:
        """The header row of a CSV is judged before anything is answered."""
        rows = _rows_of(job.asked.request, RowSplitter(quoted=quoted))
        first: list[bytes | None] = await anext(rows, [])
        read: _ReadRow = read_json_row
        if first and first[0] is not None:
            first[0] = first[0].removeprefix(BOM)
        if quoted:
            columns = csv_columns(first.pop(0) if first else b"")
            if isinstance(columns, Problem):
                raise Declined(columns)
            read = csv_reader(columns)
        return _Streamed(self._answers(job, first, rows, read))

    async def _answers(
        self,
        job: _Job,
        first: "list[bytes | None]",
        rows: "AsyncIterator[list[bytes | None]]",
        read: _ReadRow,
    ) -> AsyncIterator[bytes]:
        index = accepted = 0
        more: list[bytes | None] = first
        try:
            while True:
                for start in range(0, len(more), ROWS_AT_ONCE):
                    part = [_row_of(row, read, job.defaults) for row in more[start : start + ROWS_AT_ONCE]]
                    outcomes = await self._outcomes(job, index, part)
                    known = _before_unknown(outcomes)
                    yield b"".join(_line({"index": index + place} | one) for place, one in enumerate(known))
                    index += len(known)
                    accepted += sum("message_id" in one for one in known)
                    if len(known) < len(outcomes):
                        yield _line({"error": _UNKNOWN, "next_index": index})
                        return
                more = await anext(rows)
        except StopAsyncIteration:
            yield _line({"accepted": accepted, "rejected": index - accepted})
        except Declined as declined:
            yield _line({"error": declined.told.errors[0].reason, "next_index": index})

    async def _outcomes(self, job: _Job, index: int, rows: Sequence[BatchRow | Problem]) -> list[RowResult]:
        """What became of each row; `index` is that of the first."""
        turns = Yielding()
        judged: list[Prepared | RowResult] = []
        for place, row in enumerate(rows, index):
            judged.append(_wrong(row) if isinstance(row, Problem) else self._judged(job, place, *row))
            await turns.give()
        waiting = [self._sending.publish(one) for one in judged if isinstance(one, Prepared)]
        published = iter(await asyncio.gather(*waiting, return_exceptions=True))
        return [_published(next(published)) if isinstance(one, Prepared) else one for one in judged]

    def _judged(self, job: _Job, index: int, written: dict[str, Any], checks: dict[str, Check]) -> Prepared | RowResult:
        key = None if job.key is None else f"{job.key}:{index}"
        judged = judge_object(written, checks, job.asked.account, job.asked.rules, now_ms(), key)
        if isinstance(judged, Problem):
            return _wrong(judged)
        prepared = prepared_of(judged, job.asked.account)
        try:
            first = self._sending.repeated(prepared)
        except Declined as declined:
            return _wrong(declined.told)
        return prepared if first is None else {"message_id": first, "duplicate": True}


def _messages_of(body: bytes) -> tuple[list[Any], dict[str, Any], dict[str, Check]]:
    """Messages, defaults and checks of a document. Raises `Declined`."""
    read = read_object(body)
    if isinstance(read, NotAnObject):
        raise Declined(problem("invalid_json", "", read.error))
    document, checks = read
    if unknown := next((name for name in document if name not in ("messages", "defaults")), None):
        raise Declined(problem("invalid_field", unknown[:64], "a batch has messages and defaults"))
    messages, defaults = document.get("messages"), document.get("defaults")
    if messages is None:
        raise Declined(problem("missing_field", "messages"))
    if not isinstance(messages, list) or not messages:
        raise Declined(problem("invalid_field", "messages", "a list of at least one message"))
    if len(messages) > BATCH_MESSAGES_MAX:
        raise Declined(problem("too_large", "messages", f"at most {BATCH_MESSAGES_MAX} messages"))
    if not isinstance(defaults, dict | None):
        raise Declined(problem("invalid_field", "defaults", "an object"))
    return messages, defaults or {}, checks


def _object_row(message: Any, defaults: dict[str, Any], checks: dict[str, Check]) -> BatchRow | Problem:
    if not isinstance(message, dict):
        return problem("invalid_field", "", "a message is an object")
    return {**defaults, **message}, checks


def _row_of(row: bytes | None, read: _ReadRow, defaults: Mapping[str, Any]) -> BatchRow | Problem:
    return problem("too_large", "", f"at most {ROW_OCTETS_MAX} octets") if row is None else read(row, defaults)


def _wrong(told: Problem) -> RowResult:
    first = told.errors[0]
    return {"reason": first.reason, "field": first.field}


def _published(found: KafkaHasIt | BaseException) -> RowResult:
    if isinstance(found, Declined):
        return _wrong(found.told)
    if isinstance(found, BaseException):
        raise found
    return {"message_id": found.message_id}


def _before_unknown(outcomes: list[RowResult]) -> list[RowResult]:
    """Those before the first of which it is not known whether Kafka has it."""
    unknown = next((place for place, one in enumerate(outcomes) if one.get("reason") == _UNKNOWN), len(outcomes))
    return outcomes[:unknown]


def _line(told: dict[str, Any]) -> bytes:
    return orjson.dumps(told) + b"\n"


async def _rows_of(request: Request, splitter: RowSplitter) -> "AsyncIterator[list[bytes | None]]":
    """Rows as they come. Raises `Declined` where none was whole within `BODY_WITHIN_S`."""
    parts = aiter(request.stream())
    loop = asyncio.get_running_loop()
    due_s = loop.time() + BODY_WITHIN_S
    while True:
        try:
            async with asyncio.timeout_at(due_s):
                part = await anext(parts, None)
        except TimeoutError:
            raise Declined(problem("request_timeout")) from None
        if part is None:
            break
        if rows := splitter.feed(part):
            yield rows
            due_s = loop.time() + BODY_WITHIN_S
    if rows := splitter.finish():
        yield rows


class _Streamed(Response):
    """202 and lines as they are made. The lines are made while those before them are still being written."""

    def __init__(self, lines: AsyncIterator[bytes]) -> None:
        super().__init__(None, 202, media_type=_NDJSON)
        del self.headers["content-length"]
        self._lines: Final = lines
        self._kept: Final[asyncio.Queue[bytes]] = asyncio.Queue()
        self._octets = 0
        self._room: Final = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        making = asyncio.create_task(self._make(), name="batch")
        try:
            while body := await self._kept.get():
                self._octets -= len(body)
                self._room.set()
                await send({"type": "http.response.body", "body": body, "more_body": True})
            await making
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except ClientDisconnect:
            pass  # what had come of its rows is sent
        finally:
            making.cancel()
            with suppress(asyncio.CancelledError, ClientDisconnect):
                await making

    async def _make(self) -> None:
        try:
            async for line in self._lines:
                while self._octets > ANSWERS_KEPT:
                    self._room.clear()
                    await self._room.wait()
                if line:
                    self._octets += len(line)
                    self._kept.put_nowait(line)
        finally:
            self._kept.put_nowait(b"")
