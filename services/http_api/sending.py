"""Edge: single messages: sent, and looked at before."""

from dataclasses import asdict
from typing import Any, Final, Protocol

from starlette.responses import Response

from schemas.gateway.accounts import Account
from services.http_api.access import (
    MESSAGE_OCTETS_MAX,
    ApiRequest,
    Declined,
    body_of,
    idempotency_key,
    json_response,
    require_json,
    rfc3339,
)
from services.http_api.intake import Judged, Prepared, judge, prepare
from services.http_api.known_keys import KnownKeys
from services.http_api.opt_outs import OptOutList
from services.http_api.pace import Paces
from services.http_api.problems import Problem, problem
from services.http_api.publisher import KafkaHasIt, NotAcknowledged
from shared.kafka.records import Out
from shared.messages.encodable import encode_request
from shared.process.clock import monotonic_s, now_ms
from shared.sms.preview import preview


class Publishes(Protocol):
    """Where requests go."""

    async def publish(self, out: Out) -> KafkaHasIt:
        """Returns when Kafka has it. Raises `NotAcknowledged`."""


class Sending:
    """The endpoints that take one message."""

    def __init__(
        self,
        publisher: Publishes,
        known: KnownKeys,
        opt_outs: OptOutList,
    ) -> None:
        self._publisher: Final = publisher
        self._known: Final = known
        self._opt_outs: Final = opt_outs
        self._paces: Final = Paces()

    async def send(self, asked: ApiRequest) -> Response:
        """Publish one message."""
        require_json(asked.request)
        body = await body_of(asked.request, MESSAGE_OCTETS_MAX)
        prepared = prepare(body, asked.account, asked.rules, now_ms(), idempotency_key(asked.request))
        if isinstance(prepared, Problem):
            raise Declined(prepared)
        if (first := self.repeated(prepared)) is not None:
            return json_response({"message_id": first, "duplicate": True}, 200, _location(first))
        self.pace(asked.account, prepared)
        published = await self.publish(prepared)
        answer = {
            "message_id": published.message_id,
            "status": "accepted",
            "to": prepared.to,
            "from": prepared.sender,
            "lane": prepared.lane,
            "encoding": prepared.encoding,
            "segments": prepared.segments,
            "accepted_at": rfc3339(published.accepted_at_ms),
        }
        return json_response(answer, 202, _location(published.message_id))

    def repeated(self, prepared: Prepared) -> str | None:
        """The first message under its idempotency key, where it is known that there was one. Raises `Declined` where
        that said something else."""
        if prepared.claim is None or (found := self._known.find(prepared.claim, now_ms())) is None:
            return None
        if found.meaning == "conflict":
            raise Declined(problem("idempotency_conflict", "idempotency_key"))
        return found.message_id

    def pace(self, account: Account, prepared: Prepared) -> None:
        """Raises `Declined` above `limits.tps` of the account."""
        tps = account.limits.tps
        if tps is None or prepared.lane == "otp":
            return
        wait_s = self._paces.wait_s(account.id, tps, monotonic_s())
        if wait_s > 0:
            raise Declined(problem("rate_limited"), {"retry-after": str(int(wait_s) + 1)})

    async def publish(self, prepared: Prepared) -> KafkaHasIt:
        """Raises `Declined`."""
        try:
            return await self._publisher.publish(prepared.out)
        except NotAcknowledged:
            raise Declined(problem("kafka_unavailable")) from None

    async def preview(self, asked: ApiRequest) -> Response:
        """What a message would be, without sending it."""
        require_json(asked.request)
        body = await body_of(asked.request, MESSAGE_OCTETS_MAX)
        judged = judge(body, asked.account, asked.rules, now_ms(), idempotency_key(asked.request))
        if isinstance(judged, Problem):
            raise Declined(judged)
        sender, to = judged.terms.sender, judged.request.to
        return json_response(_previewed(judged) | {"opted_out": self._opt_outs.has(asked.account.id, to, sender)})


def _location(message_id: str) -> dict[str, str]:
    return {"location": f"/v1/messages/{message_id}"}


def _previewed(judged: Judged) -> dict[str, Any]:
    made = preview(encode_request(judged.request, judged.terms), judged.profile)
    return {
        "encoding": made.alphabet,
        "why": made.why,
        "segments": made.segments,
        "units": made.units,
        "units_used": made.units_used,
        "units_left": made.units_left,
        "connector_id": judged.connector_id or None,
        "route": judged.route or None,
        "changes": [asdict(change) for change in made.changes],
    }
