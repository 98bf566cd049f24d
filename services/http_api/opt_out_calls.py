"""Edge: opt-outs of an account: read from the table in memory, written to Kafka, where ingress follows them."""

from typing import Any, Final

from starlette.responses import Response

from schemas.optouts import OptOut, opt_out_key
from schemas.topics import CONFIG_OPTOUTS
from services.http_api.access import ApiRequest, Declined, json_response, rfc3339
from services.http_api.intake import shown
from services.http_api.opt_outs import KnownOptOut, OptOutList
from services.http_api.problems import problem
from services.http_api.publisher import NotAcknowledged
from services.http_api.reads import limit_of
from services.http_api.sending import Publishes
from shared.kafka.records import Out
from shared.process.clock import now_ms

SOURCE: Final = "api"


class OptOutCalls:
    """The endpoints."""

    def __init__(self, publisher: Publishes, opt_outs: OptOutList) -> None:
        self._publisher: Final = publisher
        self._opt_outs: Final = opt_outs

    async def get(self, asked: ApiRequest) -> Response:
        """What a number has said."""
        found = self._opt_outs.of(asked.account.id, _number(asked) or "")
        if not found:
            raise Declined(problem("not_found"))
        return json_response(_told(found[0]))

    async def put(self, asked: ApiRequest) -> Response:
        """The number wants nothing of the account any more."""
        number = _number(asked)
        if number is None:
            raise Declined(problem("invalid_field", "number", "3 to 15 digits, with or without a plus sign"))
        account_id = asked.account.id
        known = self._opt_outs.of(account_id, number)
        if not any(one.account_id == account_id and not one.sender for one in known):
            one = OptOut(account_id=account_id, to=number, since_ms=now_ms(), source=SOURCE)
            await self._publish(Out(CONFIG_OPTOUTS, one.key, one.to_json()))
        return Response(status_code=204)

    async def delete(self, asked: ApiRequest) -> Response:
        """The number may be written to again; what it has said to every account stays."""
        number = _number(asked)
        if number is None:
            raise Declined(problem("invalid_field", "number", "3 to 15 digits, with or without a plus sign"))
        own = [one for one in self._opt_outs.of(asked.account.id, number) if not one.for_all]
        for sender in {None, *(one.sender or None for one in own)}:
            await self._publish(Out(CONFIG_OPTOUTS, opt_out_key(asked.account.id, sender, number), None))
        return Response(status_code=204)

    async def list(self, asked: ApiRequest) -> Response:
        """A page of them, by number."""
        limit = limit_of(asked.query)
        numbers = self._opt_outs.numbers(asked.account.id, asked.query.get("cursor", ""), limit + 1)
        told = [_told(one) for number in numbers[:limit] for one in self._opt_outs.of(asked.account.id, number)]
        page: dict[str, Any] = {"optouts": told}
        if len(numbers) > limit:
            page["next_cursor"] = numbers[limit - 1]
        return json_response(page)

    async def _publish(self, out: Out) -> None:
        try:
            await self._publisher.publish(out)
        except NotAcknowledged:
            raise Declined(problem("kafka_unavailable")) from None


def _number(asked: ApiRequest) -> str | None:
    text: str = asked.request.path_params["number"]
    digits = text.strip().removeprefix("+")
    return digits if digits.isascii() and digits.isdecimal() and 3 <= len(digits) <= 15 else None


def _told(one: KnownOptOut) -> dict[str, Any]:
    told = {
        "number": shown(one.to),
        "since": rfc3339(one.since_ms),
        "source": one.source,
        "scope": "all" if one.for_all else "account",
    }
    return told | {"from": shown(one.sender)} if one.sender else told
