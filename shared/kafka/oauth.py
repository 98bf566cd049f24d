"""Edge: access tokens for SASL/OAUTHBEARER, by the grant of client credentials (RFC 6749, section 4.4).

A token is shared by all clients of a process, and fetched anew when four fifths of its life are over.
"""

import asyncio
import base64
import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaError

from shared.process.clock import monotonic_s
from shared.process.settings import Settings

ANSWER_S: Final = 10.0
LIFE_USED: Final = 0.8
LIFE_UNKNOWN_S: Final = 300.0
ANSWER_OCTETS_MAX: Final = 1 << 20


class NoToken(KafkaError):  # type: ignore[misc]  # the library has no types
    """The token endpoint gave none; the message is a sentence. Retryable, as a broker that does not answer."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class TokenSource:
    """Where tokens come from, and as whom."""

    url: str
    client_id: str
    client_secret: str
    scope: str
    ca_file: Path | None


class Tokens(AbstractTokenProvider):  # type: ignore[misc]  # the library has no types
    """The token of one source; whoever asks while it is being fetched waits for it."""

    def __init__(self, source: TokenSource) -> None:
        self._source: Final = source
        self._token = ""
        self._fresh_until_s = 0.0
        self._fetching: asyncio.Task[tuple[str, float]] | None = None

    async def token(self) -> str:
        """Raises `NoToken`."""
        if monotonic_s() >= self._fresh_until_s:
            if self._fetching is None or self._fetching.get_loop() is not asyncio.get_running_loop():
                self._fetching = asyncio.create_task(asyncio.to_thread(_fetch, self._source), name="token")
            fetching = self._fetching
            try:
                self._token, life_s = await asyncio.shield(fetching)
            finally:
                if fetching.done():
                    self._fetching = None
            self._fresh_until_s = monotonic_s() + LIFE_USED * life_s
        return self._token


_TOKENS: Final[dict[TokenSource, Tokens]] = {}


def tokens_of(settings: Settings) -> Tokens:
    """The one provider of this process for the endpoint of its settings."""
    source = TokenSource(
        settings.kafka_sasl_oauth_token_endpoint_url or "",
        settings.kafka_sasl_oauth_client_id or "",
        settings.kafka_sasl_oauth_client_secret or "",
        settings.kafka_sasl_oauth_scope,
        settings.kafka_sasl_oauth_cafile,
    )
    return _TOKENS.setdefault(source, Tokens(source))


def _fetch(source: TokenSource) -> tuple[str, float]:
    """A token, and for how many seconds it is good. Blocks."""
    form = {"grant_type": "client_credentials"} | ({"scope": source.scope} if source.scope else {})
    pair = f"{quote(source.client_id, safe='')}:{quote(source.client_secret, safe='')}"
    headers = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}", "Accept": "application/json"}
    request = urllib.request.Request(source.url, urlencode(form).encode(), headers)  # noqa: S310  # http or https only
    context = ssl.create_default_context(cafile=source.ca_file) if source.url.startswith("https") else None
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_S, context=context) as answer:  # noqa: S310
            return _read(source, json.loads(answer.read(ANSWER_OCTETS_MAX)))
    except urllib.error.HTTPError as error:
        with error:
            raise NoToken(f"no token from {source.url}: {error.code} {error.reason}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise NoToken(f"no token from {source.url}: {reason}") from None


def _read(source: TokenSource, said: Any) -> tuple[str, float]:
    token = said.get("access_token") if isinstance(said, dict) else None
    if not isinstance(token, str) or not token:
        raise NoToken(f"no token from {source.url}: the answer has no access_token")
    life_s = said.get("expires_in")
    return token, float(life_s) if isinstance(life_s, int | float) and life_s > 0 else LIFE_UNKNOWN_S
