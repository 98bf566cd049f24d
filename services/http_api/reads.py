"""Edge: messages and campaigns, as ClickHouse has them. An account sees its own only."""

import base64
import binascii
from typing import Any, Final, Protocol, get_args
from uuid import UUID

from starlette.responses import Response

from schemas.requests import CAMPAIGN_ID_MAX, rfc3339_ms
from schemas.statuses import StatusWord
from schemas.wire import LANES
from services.http_api.access import ApiRequest, Declined, json_response
from services.http_api.problems import problem
from services.http_api.queries import (
    CAMPAIGN,
    DROPPED_REPEAT,
    EVENTS,
    ONE_MESSAGE,
    duplicate_detail,
    message_uuid,
    messages_query,
    told_event,
    told_message,
)
from shared.process.clock import now_ms

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 1_000
STATUSES: Final = frozenset(get_args(StatusWord))
VISIBLE_AFTER_MS: Final = 60_000
"""A message that is younger may not be in ClickHouse yet."""


class ReadsRows(Protocol):
    """Where rows come from."""

    async def rows(self, query: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """All of them. Raises `Declined`: `clickhouse_unavailable`."""


class Reads:
    """The endpoints."""

    def __init__(self, clickhouse: ReadsRows) -> None:
        self._clickhouse: Final = clickhouse

    async def message(self, asked: ApiRequest) -> Response:
        """One message and its steps."""
        found = message_uuid(asked.request.path_params["message_id"])
        if found is None:
            raise Declined(problem("not_found"))
        rows = await self._clickhouse.rows(ONE_MESSAGE, {"id": str(found), "account": asked.account.id})
        if not rows:
            return await self._repeat(asked, found)
        events = await self._clickhouse.rows(EVENTS, {"id": str(found)})
        return json_response(told_message(rows[0]) | {"events": [told_event(row) for row in events]})

    async def _repeat(self, asked: ApiRequest, found: UUID) -> Response:
        """A repeat that was dropped; else it is not there, or not yet. Another account's id is answered as one that
        never was."""
        at_ms = found.int >> 80
        detail = duplicate_detail(str(found))
        parameters = {"account": asked.account.id, "detail": detail, "at_ms": min(at_ms, now_ms())}
        for row in await self._clickhouse.rows(DROPPED_REPEAT, parameters):
            told = {"message_id": str(found), "status": "duplicate", "final": True, "duplicate_of": row["first_id"]}
            return json_response(told)
        if now_ms() - at_ms < VISIBLE_AFTER_MS:
            raise Declined(problem("not-visible-yet"), {"retry-after": "1"})
        raise Declined(problem("not_found"))

    async def messages(self, asked: ApiRequest) -> Response:
        """A page of messages, the newest first."""
        parameters = filters_of(asked.query)
        limit = limit_of(asked.query)
        query = messages_query(frozenset(parameters))
        rows = await self._clickhouse.rows(query, parameters | {"account": asked.account.id, "limit": limit + 1})
        page: dict[str, Any] = {"messages": [told_message(row) for row in rows[:limit]]}
        if len(rows) > limit:
            page["next_cursor"] = cursor_of(UUID(rows[limit - 1]["id"]))
        return json_response(page)

    async def campaign(self, asked: ApiRequest) -> Response:
        """How many messages of a campaign are where."""
        name = asked.request.path_params["campaign_id"]
        parameters = {"account": asked.account.id, "campaign": name}
        rows = await self._clickhouse.rows(CAMPAIGN, parameters) if len(name) <= CAMPAIGN_ID_MAX else []
        if not rows:
            raise Declined(problem("not_found"))
        statuses = {row["status"]: row["messages"] for row in rows}
        return json_response({"campaign_id": name, "total": sum(statuses.values()), "statuses": statuses})


def filters_of(query: dict[str, str]) -> dict[str, Any]:
    """The parameters of a query for messages, as ClickHouse takes them. Raises `Declined`."""
    found: dict[str, Any] = {}
    for name in ("to", "from"):
        if name in query:
            found[name] = number_of(query[name])
    for name in ("since", "until"):
        if name in query:
            found[name] = time_of(name, query[name])
    for name in ("lane", "campaign_id"):
        if name in query:
            found[name] = query[name]
    if query.get("lane", "txn") not in LANES:
        raise Declined(problem("invalid_field", "lane", f"one of {', '.join(LANES)}"))
    if "status" in query:
        found["status"] = query["status"].split(",")
        if unknown := sorted(set(found["status"]) - STATUSES):
            known = ", ".join(sorted(STATUSES))
            raise Declined(problem("invalid_field", "status", f"{unknown[0][:32]!r} is none of {known}"))
    if "cursor" in query:
        found["cursor"] = cursor_id(query["cursor"]).int
        found["cursor_ms"] = found["cursor"] >> 80
    return found


def limit_of(query: dict[str, str]) -> int:
    """How many of a list are asked for. Raises `Declined`."""
    text = query.get("limit", str(LIMIT_DEFAULT))
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 1 <= int(text) <= LIMIT_MAX):
        raise Declined(problem("invalid_field", "limit", f"1 to {LIMIT_MAX}"))
    return int(text)


def number_of(text: str) -> str:
    """A number or name, with or without plus sign; an unencoded plus sign is a space in a query."""
    return text.strip().removeprefix("+")


def time_of(name: str, text: str) -> int:
    """Milliseconds. Raises `Declined`."""
    at_ms = rfc3339_ms(text[:11] + text[11:].replace(" ", "+"))
    if at_ms is None or not 0 <= at_ms <= 4_102_444_800_000:
        raise Declined(problem("invalid_field", name, "a time of RFC 3339, such as 2026-12-01T00:00:00Z"))
    return at_ms


def cursor_of(message_id: UUID) -> str:
    """Where the next page goes on: behind this message, whatever comes meanwhile."""
    return base64.urlsafe_b64encode(message_id.bytes).decode().rstrip("=")


def cursor_id(text: str) -> UUID:
    """Behind which message a page begins. Raises `Declined`."""
    try:
        return UUID(bytes=base64.b64decode(text + "==", altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        raise Declined(problem("invalid_field", "cursor", "not one of ours")) from None
