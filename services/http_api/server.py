"""Edge: uvicorn in a process of ours: our signals, our limits, and no ticks."""

import asyncio
import contextlib
import logging
import resource
import socket
import ssl
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from services.http_api.connections import Connections, DoorConfig
from services.http_api.settings import ApiSettings

_KEEP_ALIVE_S = 60
_GRACE_S = 10
_BACKLOG = 2048
_OTHER_FILES = 100
"""Files and connections of the process beside those of its clients."""


class DoorServer(uvicorn.Server):
    """uvicorn without its ten ticks a second, and without its signals: `stopping` ends it."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event, listening: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping
        self._listening = listening

    async def main_loop(self) -> None:
        """Until the process is asked to stop."""
        self._listening.set()
        await self._stopping.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The service has them."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError. Its protocol is named, so that asyncio turns Nagle's algorithm off."""
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


def file_limit(wanted: int) -> int:
    """Raise the limit of open files as far as it may be for `wanted` connections; how many of them it is enough for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    raised = wanted + _OTHER_FILES if hard == resource.RLIM_INFINITY else min(hard, wanted + _OTHER_FILES)
    if soft != resource.RLIM_INFINITY and raised > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        soft = raised
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - _OTHER_FILES))


def config_of(app: ASGIApp, settings: ApiSettings) -> DoorConfig:
    """How uvicorn serves the door. Query strings and bodies are in no log, for there is no access log."""
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # of a warning each for what is no HTTP
    return DoorConfig(
        Connections(file_limit(settings.api_connections_max)),
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        date_header=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
        ws="none",
        ssl_certfile=settings.api_tls_cert,
        ssl_keyfile=settings.api_tls_key,
        ssl_version=ssl.PROTOCOL_TLS_SERVER,
    )
