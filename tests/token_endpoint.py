"""Edge: a token endpoint (RFC 6749, client credentials) whose tokens nobody signed, for a broker that takes such."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs

from tests.secure_kafka import unsecured_token

SECRET = "token-secret"


class TokenEndpoint(ThreadingHTTPServer):
    """Gives a token to every client that knows the secret; counts them."""

    def __init__(self, life_s: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.life_s = life_s
        self.given = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/token"


class _Handler(BaseHTTPRequestHandler):
    server: TokenEndpoint

    def do_POST(self) -> None:  # the name is the library's
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        client, _, secret = (
            base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode().partition(":")
        )
        if secret != SECRET or form["grant_type"] != ["client_credentials"] or form["scope"] != ["kafka"]:
            self._answer(401, {"error": "invalid_client"})
            return
        self.server.given += 1
        token = unsecured_token(client, self.server.life_s, int(time.time()))
        self._answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": self.server.life_s})

    def _answer(self, status: int, said: object) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the library's
        """Requests are counted, not told."""


@contextmanager
def token_endpoint(life_s: int = 3600) -> Iterator[TokenEndpoint]:
    with TokenEndpoint(life_s) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()
