"""Edge: Twilio's addresses on the same port: messages sent, fetched and listed."""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

import orjson
from starlette.requests import Request
from starlette.responses import Response

from schemas.gateway.accounts import Account
from services.http_api.access import (
    MESSAGE_OCTETS_MAX,
    Declined,
    DoorView,
    Gatekeeper,
    body_of,
    json_response,
    query_of,
)
from services.http_api.command_calls import CommandCalls
from services.http_api.intake import judge, prepared_of
from services.http_api.opt_outs import OptOutList
from services.http_api.problems import Problem, problem
from services.http_api.queries import ONE_MESSAGE, message_uuid, messages_query
from services.http_api.reads import ReadsRows, cursor_id, cursor_of, number_of
from services.http_api.sending import Sending
from services.http_api.twilio import API, LIST_QUERY, TwilioError, dates_of, error_of, read_message, resource
from shared.operations.keys import twilio_account
from shared.process.clock import now_ms

PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 1_000
FIELDS_MAX: Final = 100
SCHEDULED_AHEAD_MS: Final = 60_000


class TwilioDoor:
    """Its endpoints."""

    def __init__(
        self,
        gate: Gatekeeper,
        view: Callable[[], DoorView],
        sending: Sending,
        clickhouse: ReadsRows,
        opt_outs: OptOutList,
        commands: CommandCalls,
    ) -> None:
        self._gate: Final = gate
        self._view: Final = view
        self._sending: Final = sending
        self._clickhouse: Final = clickhouse
        self._opt_outs: Final = opt_outs
        self._commands: Final = commands

    async def messages(self, request: Request) -> Response:
        """`Messages.json`: POST sends, GET lists."""
        return await self._answered(request, self._send if request.method == "POST" else self._list)

    async def message(self, request: Request) -> Response:
        """`Messages/SM….json`: GET fetches; POST cancels, or with an empty Body takes the text away, and finds none."""
        return await self._answered(request, self._change if request.method == "POST" else self._fetch)

    async def _answered(self, request: Request, endpoint: Callable[[Request, Account], Any]) -> Response:
        try:
            account = self._account(request)
            answer: Response = await endpoint(request, account)
        except Declined as declined:
            return _error(error_of(declined.told))
        except TwilioError as error:
            return _error(error)
        return answer

    def _account(self, request: Request) -> Account:
        """By Basic: the AC sid or the account's id, and its auth_token or one of its keys. The address names it too."""
        account = self._view().keys.twilio_account(request.headers.get("authorization"))
        if account is None:
            if self._gate.failed(request) > 0:
                raise TwilioError(20429, 429)
            raise TwilioError(20003, 401)
        if request.path_params["account_sid"] not in (twilio_account(account.id), account.id):
            raise TwilioError(20404, 404)
        return account

    async def _send(self, request: Request, account: Account) -> Response:
        asked = read_message(await _form(request))
        judged = judge(orjson.dumps(asked), account, self._view().rules, now_ms())
        if isinstance(judged, Problem):
            raise Declined(judged)
        if self._opt_outs.has(account.id, judged.request.to, judged.terms.sender):
            raise TwilioError(21610)
        prepared = prepared_of(judged, account)
        self._sending.pace(account, prepared)
        published = await self._sending.publish(prepared)
        ahead_ms = (judged.request.send_at_ms or 0) - published.accepted_at_ms
        row = {
            "id": published.message_id,
            "status": "scheduled" if ahead_ms > SCHEDULED_AHEAD_MS else "queued",
            "reason": "",
            "to": judged.request.to,
            "sender": judged.terms.sender,
            "segments": prepared.segments,
            "accepted_ms": published.accepted_at_ms,
            "submitted_ms": None,
            "finished_ms": None,
        }
        return json_response(resource(twilio_account(account.id), row, asked["text"]), 201)

    async def _fetch(self, request: Request, account: Account) -> Response:
        return json_response(resource(twilio_account(account.id), await self._row(request, account)))

    async def _row(self, request: Request, account: Account) -> dict[str, Any]:
        """The account's message that the address names. Raises `TwilioError`, `Declined`."""
        sid = request.path_params["message_sid"]
        found = message_uuid(sid.removeprefix("SM")) if sid.startswith("SM") else None
        parameters = {"id": str(found), "account": account.id}
        rows = await self._clickhouse.rows(ONE_MESSAGE, parameters) if found is not None else []
        if not rows:
            raise TwilioError(20404, 404)
        return rows[0]

    async def _change(self, request: Request, account: Account) -> Response:
        form = await _form(request)
        status = form.get("Status")
        if status not in (None, "canceled") or (status is None and form.get("Body", "x")):
            raise TwilioError(20001, detail="only Status=canceled and an empty Body may be set")
        row = await self._row(request, account)
        if status is not None and not row["final"]:
            await self._commands.take_back(account.id, row["id"])
        return json_response(resource(twilio_account(account.id), row))

    async def _list(self, request: Request, account: Account) -> Response:
        query = query_of(request, LIST_QUERY.__contains__)
        size = _whole(query, "PageSize", PAGE_DEFAULT, 1, PAGE_MAX)
        number = _whole(query, "Page", 0, 0, 1 << 30)
        parameters: dict[str, Any] = dates_of(query)
        for name in ("To", "From"):
            if name in query:
                parameters[name.lower()] = number_of(query[name])
        if token := query.get("PageToken"):
            parameters["cursor"] = cursor_id(token).int
            parameters["cursor_ms"] = parameters["cursor"] >> 80
        held = messages_query(frozenset(parameters))
        rows = await self._clickhouse.rows(held, parameters | {"account": account.id, "limit": size + 1})
        sid = twilio_account(account.id)
        base = f"/{API}/Accounts/{sid}/Messages.json"
        kept = {name: value for name, value in query.items() if name not in ("Page", "PageToken")}
        more = None
        if len(rows) > size:
            place = {"PageSize": size, "Page": number + 1, "PageToken": cursor_of(UUID(rows[size - 1]["id"]))}
            more = f"{base}?{urlencode(kept | place)}"
        told = [resource(sid, row) for row in rows[:size]]
        page = {
            "messages": told,
            "page": number,
            "page_size": size,
            "start": number * size,
            "end": number * size + max(0, len(told) - 1),
            "uri": f"{base}?{urlencode(query)}" if query else base,
            "first_page_uri": f"{base}?{urlencode(kept | {'PageSize': size, 'Page': 0})}",
            "next_page_uri": more,
            "previous_page_uri": None,
        }
        return json_response(page)


async def _form(request: Request) -> dict[str, str]:
    """Raises `Declined`, `TwilioError`; of two with one name the first counts."""
    try:
        text = (await body_of(request, MESSAGE_OCTETS_MAX)).decode("utf-8")
        pairs = parse_qsl(text, True, errors="strict", max_num_fields=FIELDS_MAX)
    except ValueError:
        raise TwilioError(20001, detail="the body is no form in UTF-8") from None
    return dict(reversed(pairs))


def _whole(query: dict[str, str], name: str, default: int, least: int, most: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 11):
        raise Declined(problem("invalid_field", name))
    return min(max(int(text), least), most)


def _error(error: TwilioError) -> Response:
    headers = {401: {"www-authenticate": 'Basic realm="Twilio API"'}, 429: {"retry-after": "1"}}
    return json_response(error.body(), error.status, headers.get(error.status))
