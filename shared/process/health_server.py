"""Edge: the port on which a process says how it is: probes and metrics, on a thread of its own.

A loop that is stuck still answers, and says that it is.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from prometheus_client import make_asgi_app

from shared.process.http_guard import guard_of_environment
from shared.process.http_port import ASK_WITHIN_S, HttpPort, answer, headers_of, listen_on, refusal_of
from shared.process.metrics import REGISTRY

METRICS: Final = "/metrics"
JOIN_S: Final = 3.0

Probe = Callable[[], tuple[bool, str]]
"""Whether it is so, and a sentence. Called on the server's thread."""

_TEXT: Final = b"text/plain; charset=utf-8"


class HealthServer:
    """`probes` by path (200 or 503, with the sentence) and `/metrics`; every other path is 404.

    Whoever asks gets a probe; metrics only by a name of ours, and no page of a browser (`http_guard`). The port is
    listened on from the beginning: raises OSError and OverflowError where that cannot be.
    """

    def __init__(self, host: str, port: int, probes: Mapping[str, Probe], ask_within_s: float = ASK_WITHIN_S) -> None:
        self._listener: Final = listen_on(host, port)
        self._port: Final = HttpPort(_application(probes), self._listener, ask_within_s)
        self._loop: Final = asyncio.new_event_loop()
        self._thread: Final = threading.Thread(target=self._serve, daemon=True, name="health")

    @property
    def port(self) -> int:
        """The real one where 0 was asked for."""
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Listen no more. Blocks for a moment; a request that is being answered has a second."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._port.stop)
            self._thread.join(JOIN_S)
        self._listener.close()

    def _serve(self) -> None:
        try:
            self._loop.run_until_complete(self._port.serve())
        finally:
            self._loop.close()


def _application(probes: Mapping[str, Probe]) -> Any:
    """The ASGI application."""
    metrics = make_asgi_app(REGISTRY)
    guard = guard_of_environment()
    paths = ", ".join((*probes, METRICS))

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        probe = probes.get(scope["path"])
        if probe is not None:
            ok, sentence = probe()
            await answer(send, 200 if ok else 503, _TEXT, f"{sentence}\n".encode())
        elif scope["path"] != METRICS:
            await answer(send, 404, _TEXT, f"There is nothing here. There are: {paths}.\n".encode())
        elif why := refusal_of(guard, headers_of(scope)):
            await answer(send, 403, _TEXT, f"{why}\n".encode())
        else:
            await metrics(scope, receive, send)

    return application
