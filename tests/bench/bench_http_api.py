"""Edge: what a single POST costs the HTTP door: two frameworks and two servers, without Kafka.

`python -m tests.bench.bench_http_api` prints requests a second and CPU (user and system, of the server's processes) per
request, with 32 kept connections in a process of their own. What is not installed is left out: granian and litestar are
in no lock.
"""

import asyncio
import importlib.util
import os
import subprocess
import sys
from itertools import product

import orjson
import psutil

from shared.local.ports import free_port
from shared.process.clock import monotonic_s
from tests.bench.http_api_apps import KEY

CONNECTIONS = 32
REQUESTS = 20_000
WARM_UP = 2_000
BODY = orjson.dumps({"to": "+447700900123", "text": "x" * 80})
REQUEST = (
    f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
    f"Content-Length: {len(BODY)}\r\n\r\n"
).encode() + BODY
SERVERS = {
    "uvicorn": ("uvicorn", "--no-access-log", "--log-level", "error", "--http", "httptools", "--loop", "uvloop"),
    "granian": ("granian", "--interface", "asgi", "--workers", "1", "--no-access-log", "--log-level", "error",
                "--loop", "uvloop"),
}  # fmt: skip
FRAMEWORKS = ("fastapi", "litestar")


async def _ask(port: int, times: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(times):
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 202"), head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
    writer.close()


async def _load(port: int, requests: int) -> float:
    began_s = monotonic_s()
    await asyncio.gather(*[_ask(port, requests // CONNECTIONS) for _ in range(CONNECTIONS)])
    return monotonic_s() - began_s


def _cpu_s(process: psutil.Process) -> float:
    found = [process, *process.children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in found)


async def _until_open(port: int) -> None:
    while True:
        try:
            return await _ask(port, 1)
        except OSError:
            await asyncio.sleep(0.1)


def measure(framework: str, server: str) -> tuple[float, float]:
    """Requests a second, and microseconds of CPU per request."""
    port = free_port()
    name, *options = SERVERS[server]
    command = [sys.executable, "-m", name, *options, "--port", str(port), "tests.bench.http_api_apps:app"]
    environment = os.environ | {"SMSGW_BENCH_FRAMEWORK": framework}
    with subprocess.Popen(command, env=environment) as child:
        try:
            asyncio.run(_until_open(port))
            process = psutil.Process(child.pid)
            asyncio.run(_load(port, WARM_UP))
            before_s = _cpu_s(process)
            took_s = asyncio.run(_load(port, REQUESTS))
            return REQUESTS / took_s, 1e6 * (_cpu_s(process) - before_s) / REQUESTS
        finally:
            child.terminate()


def main() -> None:
    for framework, server in product(FRAMEWORKS, SERVERS):
        if missing := [name for name in (framework, server) if importlib.util.find_spec(name) is None]:
            print(f"{framework} on {server}: {missing[0]} is not installed")
            continue
        rate, cpu_us = measure(framework, server)
        print(f"{framework} on {server}: {rate:.0f} requests/s, {cpu_us:.0f} us of CPU each")


if __name__ == "__main__":
    main()
