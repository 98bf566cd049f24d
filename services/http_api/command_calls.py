"""Edge: messages taken back or put to another time. What becomes of it is told by statuses and events."""

from typing import Final

from starlette.responses import Response

from schemas.commands import Command
from schemas.requests import CAMPAIGN_ID_MAX
from schemas.topics import MT_COMMANDS
from services.http_api.access import MESSAGE_OCTETS_MAX, ApiRequest, Declined, body_of, json_response, require_json
from services.http_api.problems import problem
from services.http_api.publisher import NotAcknowledged
from services.http_api.queries import WHOSE, message_uuid
from services.http_api.reads import ReadsRows
from services.http_api.sending import Publishes
from shared.kafka.records import Out
from shared.messages.admission import NotAnObject, mistakes_of, read_object
from shared.process.clock import now_ms

_ANY_REQUEST: Final = {"to": "4477009001", "text": "x"}


class CommandCalls:
    """The endpoints."""

    def __init__(self, publisher: Publishes, clickhouse: ReadsRows) -> None:
        self._publisher: Final = publisher
        self._clickhouse: Final = clickhouse

    async def cancel(self, asked: ApiRequest) -> Response:
        """Take a message back."""
        message_id = await self._message_id(asked)
        await self.take_back(asked.account.id, message_id)
        return json_response({"message_id": message_id}, 202)

    async def take_back(self, account_id: str, message_id: str) -> None:
        """Returns when Kafka has the command. Raises `Declined`."""
        await self._publish(Command(command="cancel", account_id=account_id, message_id=message_id))

    async def reschedule(self, asked: ApiRequest) -> Response:
        """Put a message to another time."""
        require_json(asked.request)
        send_at = _send_at(asked.account.id, await body_of(asked.request, MESSAGE_OCTETS_MAX))
        message_id = await self._message_id(asked)
        await self._publish(
            Command(command="reschedule", account_id=asked.account.id, message_id=message_id, send_at=send_at)
        )
        return json_response({"message_id": message_id}, 202)

    async def cancel_campaign(self, asked: ApiRequest) -> Response:
        """Take back all of a campaign that waits."""
        name: str = asked.request.path_params["campaign_id"]
        if not 0 < len(name) <= CAMPAIGN_ID_MAX:
            raise Declined(problem("not_found"))
        await self._publish(Command(command="cancel_campaign", account_id=asked.account.id, campaign_id=name))
        return json_response({"campaign_id": name}, 202)

    async def _message_id(self, asked: ApiRequest) -> str:
        """Of the address. Another's, as far as ClickHouse knows, is not found; whoever is asked has the last word."""
        found = message_uuid(asked.request.path_params["message_id"])
        if found is None:
            raise Declined(problem("not_found"))
        try:
            rows = await self._clickhouse.rows(WHOSE, {"id": str(found), "account": asked.account.id})
        except Declined:
            rows = []
        if any(not row["own"] for row in rows):
            raise Declined(problem("not_found"))
        return str(found)

    async def _publish(self, command: Command) -> None:
        try:
            await self._publisher.publish(Out(MT_COMMANDS, command.account_id.encode(), command.to_json()))
        except NotAcknowledged:
            raise Declined(problem("kafka_unavailable")) from None


def _send_at(account_id: str, body: bytes) -> str:
    """What the body says, judged as that of a request. Raises `Declined`."""
    read = read_object(body)
    if isinstance(read, NotAnObject):
        raise Declined(problem("invalid_json", "", read.error))
    written, checks = read
    if written.get("send_at") is None:
        raise Declined(problem("missing_field", "send_at"))
    request = _ANY_REQUEST | {"account_id": account_id, "send_at": written["send_at"]}
    for reason, field in mistakes_of(request, checks, now_ms()):
        raise Declined(problem(reason, field))
    send_at: str = written["send_at"]
    return send_at
