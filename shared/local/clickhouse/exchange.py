"""Edge: one HTTP exchange over ASGI: the request's body, unpacked while it arrives, and the answer's way out."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

from shared.local.clickhouse.answers import HttpAnswer, HttpHeaders
from shared.local.clickhouse.compression import StreamDecoder
from shared.local.clickhouse.errors import CANNOT_READ_ALL_DATA, ClickHouseError
from shared.local.clickhouse.frames import FrameDecoder
from shared.local.clickhouse.requests import HttpRequest

HttpMessage = dict[str, Any]
Receive = Callable[[], Awaitable[HttpMessage]]
Send = Callable[[HttpMessage], Awaitable[None]]


class ClientGoneError(Exception):
    """The client closed the connection before the exchange was over."""


class Exchange:
    """The two directions of one HTTP request."""

    def __init__(self, receive: Receive, send: Send) -> None:
        """Wrap ASGI's callables of one request."""
        self._receive = receive
        self._send = send

    async def body(self, request: HttpRequest) -> AsyncGenerator[bytes, None]:
        """Yield the octets of the body as they arrive, unpacked as the request's head says.

        Raises ClientGoneError, and ClickHouseError for what cannot be unpacked or ends too early.
        """
        decoders: list[StreamDecoder | FrameDecoder] = []
        if request.body_encoding not in ("", "identity"):
            decoders.append(StreamDecoder(request.body_encoding))
        if request.body_is_framed:
            decoders.append(FrameDecoder())
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            octets: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            for decoder in decoders:
                octets = decoder.feed(octets)
            if octets:
                yield octets
        if not all(decoder.finished for decoder in decoders):
            raise ClickHouseError(CANNOT_READ_ALL_DATA, "Cannot read all data: the compressed body ends too early.")

    async def send_answer(self, answer: HttpAnswer) -> None:
        """Send a whole answer."""
        length = (b"content-length", str(len(answer.body)).encode())
        await self._send({"type": "http.response.start", "status": answer.status, "headers": [*answer.headers, length]})
        await self._send({"type": "http.response.body", "body": answer.body})

    async def send_stream(self, headers: HttpHeaders, blocks: AsyncIterator[bytes]) -> None:
        """Send head and blocks of a streamed answer, but not its end (``end_stream``).

        Raises ClientGoneError between two blocks when nobody reads any more. The body must have been read to its end.
        """
        gone = asyncio.ensure_future(self._receive())  # the only message left to come is http.disconnect
        try:
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
            async for octets in blocks:
                if gone.done():
                    raise ClientGoneError
                await self._send({"type": "http.response.body", "body": octets, "more_body": True})
        finally:
            gone.cancel()

    async def end_stream(self) -> None:
        """Tell the client that a streamed answer is whole."""
        await self._send({"type": "http.response.body", "body": b""})
