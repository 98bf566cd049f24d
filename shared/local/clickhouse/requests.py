"""Pure: one HTTP request of a ClickHouse client, read from path, query string and headers."""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from shared.local.clickhouse.compression import choose_encoding
from shared.local.clickhouse.errors import AUTHENTICATION_FAILED, BAD_ARGUMENTS, NOT_IMPLEMENTED, ClickHouseError

DEFAULT_SESSION_TIMEOUT_S = 60.0
_SETTING_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_PARAMETER_PREFIX = "param_"
# Names in the query string that are no settings of the engine (those we use, and those that only a server understands).
_RESERVED = frozenset(
    {
        "query",
        "database",
        "default_format",
        "compress",
        "decompress",
        "session_id",
        "session_timeout",
        "session_check",
        "query_id",
        "user",
        "password",
        "role",
        "quota_key",
        "wait_end_of_query",
        "buffer_size",
        "client_protocol_version",
        "enable_http_compression",
        "http_zlib_compression_level",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "add_http_cors_header",
        "stacktrace",
        "readonly",
        "close_session",
    }
)


@dataclass(frozen=True, slots=True)
class HttpAccount:
    """The one user of the embedded server."""

    user: str = "default"
    password: str = ""


@dataclass(frozen=True, slots=True)
class SessionChoice:
    """The session that a request belongs to; ``must_exist`` is ``session_check=1``."""

    session_id: str
    timeout_s: float
    must_exist: bool


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """Everything in the head of a request that decides how it is answered.

    ``read_only`` is what ``readonly`` of the connection becomes (0, or 2 for GET and HEAD, as a server does, or the
    client's own). ``statement`` is the query string's part of the statement; the body follows it.
    """

    statement: bytes
    read_only: int
    database: str
    settings: Mapping[str, str]
    parameters: Mapping[str, str]
    session: SessionChoice | None
    query_id: str
    default_format: str
    body_encoding: str
    body_is_framed: bool
    answer_is_framed: bool
    answer_encoding: str
    wait_end_of_query: bool


def parse_request(method: str, query_string: str, headers: Mapping[str, str], query_id: str) -> HttpRequest:
    """Read a request. ``headers`` has lower-case names; ``query_id`` is taken where the client gave none.

    Raises ClickHouseError (36 BAD_ARGUMENTS) for an unreadable value, (48 NOT_IMPLEMENTED) for a multipart body.
    """
    if headers.get("content-type", "").startswith("multipart/"):
        raise ClickHouseError(NOT_IMPLEMENTED, "The embedded server takes no multipart bodies (external data, forms).")
    values = dict(parse_qsl(query_string, keep_blank_values=True))
    wants_compression = values.get("enable_http_compression") == "1"
    return HttpRequest(
        statement=(values["query"] + "\n").encode() if values.get("query") else b"",
        read_only=_read_only(method, values.get("readonly", "")),
        database=values.get("database") or headers.get("x-clickhouse-database", ""),
        settings={name: value for name, value in values.items() if _is_setting(name)},
        parameters={
            name.removeprefix(_PARAMETER_PREFIX): value
            for name, value in values.items()
            if name.startswith(_PARAMETER_PREFIX)
        },
        session=_session(values),
        query_id=values.get("query_id") or query_id,
        default_format=values.get("default_format") or headers.get("x-clickhouse-format") or "TabSeparated",
        body_encoding=headers.get("content-encoding", "").strip().lower(),
        body_is_framed=values.get("decompress") == "1",
        answer_is_framed=values.get("compress") == "1",
        answer_encoding=choose_encoding(headers.get("accept-encoding", "")) if wants_compression else "",
        wait_end_of_query=values.get("wait_end_of_query") == "1",
    )


def _is_setting(name: str) -> bool:
    return (
        name not in _RESERVED and not name.startswith(_PARAMETER_PREFIX) and _SETTING_NAME.fullmatch(name) is not None
    )


def _read_only(method: str, asked: str) -> int:
    if asked and asked not in ("0", "1", "2"):
        raise ClickHouseError(BAD_ARGUMENTS, f"readonly must be 0, 1 or 2, not '{asked}'.")
    level = int(asked or "0")
    return level or (2 if method in ("GET", "HEAD") else 0)


def _session(values: Mapping[str, str]) -> SessionChoice | None:
    if not values.get("session_id"):
        return None
    text = values.get("session_timeout", "")
    try:
        timeout_s = float(text) if text else DEFAULT_SESSION_TIMEOUT_S
    except ValueError:
        raise ClickHouseError(BAD_ARGUMENTS, f"Invalid session timeout: '{text}'.") from None
    return SessionChoice(values["session_id"], timeout_s, must_exist=values.get("session_check") == "1")


def authenticate(account: HttpAccount, query_string: str, headers: Mapping[str, str]) -> None:
    """Check user and password, given as headers, basic authorization or in the query string.

    Raises ClickHouseError (516 AUTHENTICATION_FAILED). Without any of them, it is ``default`` with an empty password.
    """
    user, password = _credentials(query_string, headers)
    right_user = hmac.compare_digest(user.encode(), account.user.encode())
    right_password = hmac.compare_digest(password.encode(), account.password.encode())
    if not (right_user and right_password):
        text = f"{user}: Authentication failed: password is incorrect, or there is no user with such name."
        raise ClickHouseError(AUTHENTICATION_FAILED, text)


def _credentials(query_string: str, headers: Mapping[str, str]) -> tuple[str, str]:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(token, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise ClickHouseError(AUTHENTICATION_FAILED, "Invalid basic authorization.") from None
        return user, password
    values = dict(parse_qsl(query_string, keep_blank_values=True))
    user = headers.get("x-clickhouse-user") or values.get("user") or "default"
    return user, headers.get("x-clickhouse-key") or values.get("password") or ""
