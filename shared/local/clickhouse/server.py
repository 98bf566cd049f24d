"""Edge: the server process: its socket, its signals, and its one line of output."""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from shared.local.clickhouse.app import App
from shared.local.clickhouse.configuration import EngineLimits
from shared.local.clickhouse.engine import DataDirectoryError, open_engine
from shared.local.clickhouse.requests import HttpAccount
from shared.local.private import UMASK
from shared.process.log_lines import LogLines

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
_GRACE_S = 10
_KEEP_ALIVE_S = 60
_BACKLOG = 128


class QuietServer(uvicorn.Server):
    """uvicorn without its ten ticks a second: it waits for connections and for the signal to stop, nothing else."""

    def __init__(self, config: uvicorn.Config, ready_line: str) -> None:
        """``ready_line`` is printed when connections are accepted."""
        super().__init__(config)
        self._ready_line = ready_line
        self._stop = asyncio.Event()

    async def main_loop(self) -> None:
        """Wait until asked to stop."""
        sys.stdout.write(self._ready_line + "\n")
        sys.stdout.flush()
        await self._stop.wait()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop cleanly, with exit status 0, on SIGTERM and SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        yield


def serve(data_dir: Path, host: str, port: int, account: HttpAccount) -> int:
    """Serve ClickHouse's HTTP interface on ``data_dir`` until SIGTERM or SIGINT; return the exit status.

    Port 0 takes a free one; the line on standard output says which. What keeps the server from starting is one
    sentence on standard error.
    """
    if not _is_loopback(host) and not account.password:
        return _fail(
            f"Refusing to listen on {host} without a password: set SMSGW_CLICKHOUSE_PASSWORD, or use --host 127.0.0.1.",
            EXIT_USAGE,
        )
    try:
        listener = listen(host, port)
    except OSError as error:
        return _fail(f"ClickHouse cannot listen on {host} port {port}: {os.strerror(error.errno or 0)}.", EXIT_FAILED)
    _configure_logging()
    os.umask(UMASK)
    directory = data_dir.resolve()
    try:
        engine = open_engine(directory, EngineLimits())
    except DataDirectoryError as error:
        return _fail(str(error), EXIT_FAILED)
    address = f"http://{host if ':' not in host else f'[{host}]'}:{listener.getsockname()[1]}"
    ready_line = f"ClickHouse {engine.version} listens on {address}, data in {directory}"
    config = _uvicorn_config(App(engine, account))
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(QuietServer(config, ready_line).serve(sockets=[listener]))
    return EXIT_DONE


def _uvicorn_config(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        access_log=False,
        date_header=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
        ws="none",
    )


def _configure_logging() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogLines("%(asctime)s %(levelname)s clickhouse: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def _fail(sentence: str, status: int) -> int:
    sys.stderr.write(sentence + "\n")
    return status


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises OSError.

    Its protocol is named, because asyncio turns Nagle's algorithm off only where it reads TCP there: with it, every
    request on a connection that is kept open takes 40 ms.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")
