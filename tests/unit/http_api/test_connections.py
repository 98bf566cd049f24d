"""Clients that never end, on a real socket."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.http_api import access, connections
from tests.unit.http_api.listening import listening
from tests.unit.http_api.scene import KEY, Scene
from tests.unit.shared.smpp.test_tls import self_signed

SOON_S = 0.15
"""What the limits of time are set to."""
HEAD = f"Host: x\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
GET = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
_WRITERS: list[asyncio.StreamWriter] = []
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_WITHIN_S", SOON_S)
    monkeypatch.setattr(connections, "LINGER_S", SOON_S)
    monkeypatch.setattr(access, "BODY_WITHIN_S", SOON_S)
    monkeypatch.setattr("services.http_api.batch.BODY_WITHIN_S", SOON_S)


def _with_door(meet: Callable[[int], Awaitable[Any]], **settings: Any) -> Any:
    async def meeting() -> Any:
        async with listening(Scene(**settings)) as port, asyncio.timeout(30):
            try:
                return await meet(port)
            finally:
                while _WRITERS:
                    _WRITERS.pop().transport.abort()
                await asyncio.sleep(0)

    return asyncio.run(meeting())


async def _opened(port: int, limit: int = 1 << 26) -> Streams:
    streams = await asyncio.open_connection("127.0.0.1", port, limit=limit)
    _WRITERS.append(streams[1])
    return streams


async def _until_closed(reader: asyncio.StreamReader) -> bytes:
    found = b""
    try:
        while part := await reader.read(65_536):
            found += part
    except ConnectionError:
        pass
    return found


async def _dripping(writer: asyncio.StreamWriter, octets: bytes) -> None:
    try:
        while True:
            writer.write(octets)
            await writer.drain()
            await asyncio.sleep(SOON_S / 10)
    except ConnectionError:
        pass


@pytest.mark.parametrize("begin", [b"", b"GET / HTTP/1.1\r\n", GET + b"GET / HTTP/1.1\r\n"])
def test_a_head_that_never_ends_is_not_waited_for(begin: bytes) -> None:
    async def meet(port: int) -> bytes:
        reader, writer = await _opened(port)
        writer.write(begin)
        dripping = asyncio.create_task(_dripping(writer, b"X" if not begin else b"X: y\r\n"))
        answer = await _until_closed(reader)
        await dripping
        return answer

    answer: bytes = _with_door(meet)
    assert b"HTTP/1.1 408" not in answer and (b"200 OK" in answer) == begin.startswith(GET)


def test_a_head_without_end_is_too_large() -> None:
    async def meet(port: int) -> bytes:
        reader, writer = await _opened(port)
        writer.write(b"GET / HTTP/1.1\r\n" + b"X: yyyyyyyyy\r\n" * 8_000)
        return await _until_closed(reader)

    head, _, body = _with_door(meet).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413") and orjson.loads(body)["reason"] == "too_large"


def test_what_is_no_http_is_a_problem_too() -> None:
    async def meet(port: int) -> bytes:
        reader, writer = await _opened(port)
        writer.write(b"\x16\x03\x01\x02\x00\r\n\r\n")
        return await _until_closed(reader)

    head, _, body = _with_door(meet).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400") and orjson.loads(body)["reason"] == "invalid_request"


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        ("/v1/messages", "application/json", b"HTTP/1.1 408"),
        ("/v1/messages/batch", "application/json", b"HTTP/1.1 408"),
        ("/v1/messages/batch", "application/x-ndjson", b"HTTP/1.1 408"),
    ],
)
def test_a_body_that_never_ends_is_answered_and_the_connection_closed(path: str, kind: str, status: bytes) -> None:
    async def meet(port: int) -> bytes:
        reader, writer = await _opened(port)
        head = HEAD.replace("application/json", kind)
        writer.write(f"POST {path} HTTP/1.1\r\n{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        dripping = asyncio.create_task(_dripping(writer, b"1\r\n \r\n"))
        answer = await _until_closed(reader)
        await dripping
        return answer

    answer: bytes = _with_door(meet)
    assert answer.startswith(status) and b"request_timeout" in answer


def test_who_sends_all_before_looking_for_an_answer_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LINGER_S", 20.0)

    async def meet(port: int) -> bytes:
        reader, writer = await _opened(port)
        writer.write(f"POST /v1/messages HTTP/1.1\r\n{HEAD}Content-Length: {100 << 20}\r\n\r\n".encode())
        for _ in range(100):
            writer.write(bytes(1 << 20))
            await writer.drain()
        return await reader.readuntil(b"\r\n\r\n")

    assert _with_door(meet).startswith(b"HTTP/1.1 413")


def test_a_stream_whose_client_reads_at_the_end_does_not_stand_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.http_api.batch.BODY_WITHIN_S", 30.0)
    rows = 30_000

    async def meet(port: int) -> bytes:
        reader, writer = await _opened(port, 1024)
        head = HEAD.replace("application/json", "application/x-ndjson")
        row = b'{"to": "1", "text": "x"}\n'
        writer.write(f"POST /v1/messages/batch HTTP/1.1\r\n{head}Content-Length: {rows * len(row)}\r\n\r\n".encode())
        for _ in range(rows // 100):
            writer.write(row * 100)
            await writer.drain()
        answer = b""
        while not answer.endswith(b"0\r\n\r\n"):
            answer += await reader.read(65_536)
        return answer

    assert f'{{"accepted":0,"rejected":{rows}}}'.encode() in _with_door(meet)


def test_beyond_the_limit_the_connection_that_was_idle_longest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_WITHIN_S", 30.0)

    async def meet(port: int) -> tuple[bytes, bytes]:
        first, second = await _opened(port), await _opened(port)
        second[1].write(GET)
        await second[0].readuntil(b"\r\n\r\n")
        third = await _opened(port)
        third[1].write(GET)
        served = await third[0].readuntil(b"\r\n\r\n")
        return await _until_closed(first[0]), served

    closed, served = _with_door(meet, api_connections_max=2)
    assert closed == b"" and served.startswith(b"HTTP/1.1 200")


def test_with_a_certificate_the_port_speaks_tls(tmp_path: Path) -> None:
    made = self_signed(tmp_path, "door", "localhost")

    async def meet(port: int) -> tuple[bytes, bytes]:
        trusting = ssl.create_default_context(cafile=str(made.cert_file))
        reader, writer = await asyncio.open_connection("localhost", port, ssl=trusting, limit=1 << 26)
        _WRITERS.append(writer)
        writer.write(GET)
        answer = await reader.readuntil(b"\r\n\r\n")
        plain = await _opened(port)
        plain[1].write(GET)
        return answer, await _until_closed(plain[0])

    answer, plain = _with_door(meet, api_tls_cert=made.cert_file, api_tls_key=made.key_file)
    assert answer.startswith(b"HTTP/1.1 200") and not plain.startswith(b"HTTP/")
