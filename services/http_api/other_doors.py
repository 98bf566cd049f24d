"""Edge: Kannel's and Jasmin's addresses on the same port. Whoever asks names an account and one of its keys.

What is asked for is put into the words of a request and goes the way of `POST /v1/messages`.
"""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from schemas.gateway.accounts import Account
from services.http_api import jasmin, kannel
from services.http_api.access import MESSAGE_OCTETS_MAX, Declined, DoorView, Gatekeeper, body_of
from services.http_api.intake import Judged, judge, prepared_of
from services.http_api.problems import Problem, problem
from services.http_api.sending import Sending
from shared.process.clock import now_ms

ARGUMENTS_MAX: Final = 100
FORM: Final = "application/x-www-form-urlencoded"


class OtherDoors:
    """Their endpoints."""

    def __init__(self, gate: Gatekeeper, view: Callable[[], DoorView], sending: Sending) -> None:
        self._gate: Final = gate
        self._view: Final = view
        self._sending: Final = sending

    async def sendsms(self, request: Request) -> Response:
        """`/cgi-bin/sendsms` of Kannel."""
        try:
            given = await _arguments(request)
            account = self._account(request, given.get("username") or given.get("user"), _password(given))
            if account is None:
                return PlainTextResponse(kannel.UNAUTHORIZED, 403)
            asked = kannel.read_sendsms(given, now_ms())
            wrong = [told for to in asked.receivers if (told := await self._tried(account, asked.request | {"to": to}))]
        except kannel.KannelError as error:
            return PlainTextResponse(str(error), 400)
        except Declined as declined:
            return _kannel_problem(declined.told)
        # one good receiver is enough for Kannel
        return (
            PlainTextResponse(kannel.ACCEPTED, 202) if len(wrong) < len(asked.receivers) else _kannel_problem(wrong[0])
        )

    async def send(self, request: Request) -> Response:
        """`/send` of Jasmin."""
        try:
            given = await _arguments(request)
            asked = jasmin.read_send(given, now_ms())
            account = self._jasmin_account(request, given)
            message_id = await self._sent(account, self._judged(account, asked))
        except jasmin.JasminError as error:
            return _jasmin_error(error)
        except Declined as declined:
            return _jasmin_error(jasmin.error_of(declined.told))
        return PlainTextResponse(f'Success "{message_id}"')

    async def rate(self, request: Request) -> Response:
        """`/rate` of Jasmin: how many submit_sm a message would be. It costs nothing: there are no prices."""
        try:
            given = await _arguments(request)
            asked = jasmin.read_send({"content": b""} | given, now_ms())
            judged = self._judged(self._jasmin_account(request, given), asked)
        except jasmin.JasminError as error:
            return _jasmin_error(error)
        except Declined as declined:
            return _jasmin_error(jasmin.error_of(declined.told))
        told = {"unit_rate": 0.0, "submit_sm_count": len(judged.made.segments)}
        return Response(orjson.dumps(told), media_type="application/json")

    async def balance(self, request: Request) -> Response:
        """`/balance` of Jasmin: ND is "no definition", its word for unlimited."""
        try:
            self._jasmin_account(request, await _arguments(request))
        except jasmin.JasminError as error:
            return _jasmin_error(error)
        except Declined as declined:
            return _jasmin_error(jasmin.error_of(declined.told))
        return Response(b'{"balance": "ND", "sms_count": "ND"}', media_type="application/json")

    def _account(self, request: Request, name: bytes | None, key: bytes) -> Account | None:
        shown = (name or b"").decode("utf-8", "replace")
        account = self._view().keys.account_with(shown, key.decode("utf-8", "replace"))
        if account is None:
            self._gate.failed(request)
        return account

    def _jasmin_account(self, request: Request, given: dict[str, bytes]) -> Account:
        account = self._account(request, given.get("username"), given.get("password", b""))
        if account is None:
            shown = given.get("username", b"")[:64].decode("utf-8", "replace")
            raise jasmin.JasminError(403, f"Authentication failure for username:{shown}")
        return account

    def _judged(self, account: Account, asked: dict[str, Any]) -> Judged:
        judged = judge(orjson.dumps(asked), account, self._view().rules, now_ms())
        if isinstance(judged, Problem):
            raise Declined(judged)
        return judged

    async def _sent(self, account: Account, judged: Judged) -> str:
        prepared = prepared_of(judged, account)
        self._sending.pace(account, prepared)
        return (await self._sending.publish(prepared)).message_id

    async def _tried(self, account: Account, asked: dict[str, Any]) -> Problem | None:
        """What is wrong with one of several; None: it is sent."""
        try:
            await self._sent(account, self._judged(account, asked))
        except Declined as declined:
            return declined.told
        return None


async def _arguments(request: Request) -> dict[str, bytes]:
    """Query and form, as octets. Raises `Declined`; the first of two with one name counts."""
    text = request.scope["query_string"].decode("latin-1")
    if request.method == "POST" and request.headers.get("content-type", "").partition(";")[0].strip() == FORM:
        text += "&" + (await body_of(request, MESSAGE_OCTETS_MAX)).decode("latin-1")
    try:
        pairs = parse_qsl(text, True, encoding="latin-1", max_num_fields=ARGUMENTS_MAX)
    except ValueError:
        raise Declined(problem("too_large", "", f"at most {ARGUMENTS_MAX} arguments")) from None
    return {name: value.encode("latin-1") for name, value in reversed(pairs)}


def _password(given: dict[str, bytes]) -> bytes:
    return given.get("password") or given.get("pass") or b""


def _kannel_problem(told: Problem) -> Response:
    status = told.status if told.status in (400, 403, 413, 503) else 503 if told.status == 429 else 400
    return PlainTextResponse(kannel.UNAVAILABLE if status == 503 else kannel.told(told), status)


def _jasmin_error(error: jasmin.JasminError) -> Response:
    return PlainTextResponse(f'Error "{error}"', error.status)
