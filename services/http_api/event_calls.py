"""Edge: server-sent events (WHATWG HTML, 9.2): what becomes of an account's messages, while it becomes it."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Final

from aiokafka.errors import KafkaError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.http_api.access import ApiRequest, Declined
from services.http_api.event_ids import KEPT_MS, StreamPlace, place_of
from services.http_api.live_feed import FeedEvent, Feeds
from services.http_api.problems import problem
from shared.kafka.errors import FatalKafkaError, KafkaUnavailable
from shared.process.clock import now_ms

log = logging.getLogger(__name__)

STREAMS_MAX: Final = 4
"""Of an account, at this process."""
COMMENT_EVERY_S: Final = 15.0
_COMMENT: Final = b": still here\n\n"
_KAFKA_IS_AWAY: Final = (KafkaError, KafkaUnavailable, FatalKafkaError)

Events = AsyncGenerator[FeedEvent | None, None]


class EventCalls:
    """The endpoint."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds: Final = feeds
        self._open: Final[Counter[str]] = Counter()

    async def events(self, asked: ApiRequest) -> Response:
        """A stream that goes on until the client, or the process, ends it. It is answered when it is followed."""
        since = _since(asked.request.headers.get("last-event-id"))
        account_id = asked.account.id
        if self._open[account_id] >= STREAMS_MAX:
            told = problem("rate_limited", "", f"at most {STREAMS_MAX} streams of an account at a time")
            raise Declined(told, {"retry-after": "15"})
        self._open[account_id] += 1
        events = self._feeds.events(account_id, since)
        try:
            await anext(events)
        except BaseException as error:
            self._open[account_id] -= 1
            await events.aclose()
            if isinstance(error, _KAFKA_IS_AWAY):
                raise Declined(problem("kafka_unavailable", "", "the topics cannot be followed now")) from None
            raise
        return _EventStream(events, lambda: self._open.subtract([account_id]))


class _EventStream(Response):
    """Events as they come, and a comment now and then. `over` is called at its end, however it comes to it."""

    def __init__(self, events: Events, over: Callable[[], None]) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(None, 200, headers, "text/event-stream")
        del self.headers["content-length"]
        self._events: Final = events
        self._over: Final = over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        gone = asyncio.create_task(_until_gone(receive), name="client")
        coming = asyncio.create_task(_next(self._events), name="event")
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            body: bytes | None = _COMMENT
            while body is not None:
                await send({"type": "http.response.body", "body": body, "more_body": True})
                await asyncio.wait({gone, coming}, timeout=COMMENT_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    return
                body = _COMMENT
                if coming.done():
                    body = _written(coming.result())
                    coming = asyncio.create_task(_next(self._events), name="event")
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            for task in (gone, coming):
                task.cancel()
                with suppress(asyncio.CancelledError, StopAsyncIteration):
                    await task
            await self._events.aclose()
            self._over()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _next(events: Events) -> FeedEvent | None:
    """None at the end, also where it ends because Kafka is away."""
    try:
        return await anext(events, None)
    except _KAFKA_IS_AWAY as error:
        log.warning("a stream of events ends: %s", error)
        return None


def _written(event: FeedEvent | None) -> bytes | None:
    if event is None:
        return None
    return b"event: %s\nid: %s\ndata: %s\n\n" % (event.type.encode(), event.id.encode(), event.data)


def _since(last_event_id: str | None) -> StreamPlace | None:
    if not last_event_id:
        return None
    since = place_of(last_event_id)
    if since is None:
        raise Declined(problem("invalid_field", "Last-Event-ID", "not one of ours"))
    if now_ms() - since.at_ms > KEPT_MS:
        raise Declined(problem("gone"))
    return since
