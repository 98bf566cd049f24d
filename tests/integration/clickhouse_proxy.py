"""Edge: what stands in front of a ClickHouse, and answers inserts itself when it is told to."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Canned:
    """An answer; `status` 0 cuts the connection instead. `after`: ClickHouse has done it by then."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False


def exception(code: int, name: str) -> Canned:
    """As ClickHouse refuses."""
    text = f"Code: {code}. DB::Exception: it is in trouble. ({name}) (version 25.8.1.1 (official build))\n"
    return Canned(500, text.encode(), {"X-ClickHouse-Exception-Code": str(code)})


Script = Callable[[bytes], Canned | None]


class ProxiedClickHouse(ThreadingHTTPServer):
    """`script` gets the body of every statement of `verb`, and returns what to answer; None = what ClickHouse does."""

    def __init__(self, clickhouse_url: str) -> None:
        address = urlsplit(clickhouse_url)
        self.upstream = (address.hostname or "", address.port or 8123)
        self.script: Script = lambda body: None
        self.verb = b"INSERT"
        self.statements = 0
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ProxiedClickHouse

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        canned = None
        if self.server.verb in self.path.encode() + body[:100]:
            self.server.statements += 1
            canned = self.server.script(body)
        if canned is None or canned.after:
            answer = self._forwarded(body)
        canned = canned or answer
        if not canned.status:
            self.close_connection = True
            return
        self.send_response(canned.status)
        for name, value in canned.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(canned.body)))
        self.end_headers()
        self.wfile.write(canned.body)

    def _forwarded(self, body: bytes) -> Canned:
        upstream = http.client.HTTPConnection(*self.server.upstream, timeout=60)
        try:
            upstream.request(self.command, self.path, body, {n: v for n, v in self.headers.items() if n != "Host"})
            answer = upstream.getresponse()
            kept = {n: v for n, v in answer.getheaders() if n.lower().startswith(("x-", "content-"))}
            kept = {n: v for n, v in kept.items() if n.lower() != "content-length"}
            return Canned(answer.status, answer.read(), kept)
        finally:
            upstream.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the library's
        """Tests say themselves what went wrong."""


@contextmanager
def proxied(clickhouse_url: str) -> Iterator[ProxiedClickHouse]:
    """A proxy on a port of its own."""
    proxy = ProxiedClickHouse(clickhouse_url)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
