"""Pure: what becomes of a route that ended unsent: the next connector of the matching route, or the final status."""

from typing import NamedTuple, cast, get_args

from schemas.reroutes import Reroute
from schemas.statuses import FinalStatus
from schemas.submissions import Submission
from services.ingress.outputs import submissions_topic
from services.ingress.own_output import DecidedByIngress
from shared.kafka.records import Headers, In, Out, dead_letter, dead_letter_of_error, trace_headers
from shared.messages.events import EventMaker
from shared.messages.routing import Destination, GatewayView
from shared.messages.statuses import status_outs


class _Why(NamedTuple):
    """What a message ends as."""

    status: FinalStatus
    reason: str
    field: str | None = None
    smsc_error: str | None = None


class RerouteDecider:
    """Decides about the records of `mt.reroutes`. `view` is replaced when the configuration changes.

    A route ends unsent once: in the encoder, which does not decide twice, or in a transaction of the throttler. So its
    record comes once, and after a crash `own` knows what became of it: the same route_no is never given out twice.
    """

    def __init__(self, events: EventMaker, own: DecidedByIngress, view: GatewayView) -> None:
        self._events = events
        self._own = own
        self.view = view

    def decide(self, record: In, at_ms: int) -> list[Out]:
        """Everything that follows from `record`, decided at `at_ms` (wall clock, ms). Never raises for it."""
        try:
            reroute = Reroute.from_json(record.value or b"")
        except ValueError as error:
            return [dead_letter_of_error(record, error, at_ms=at_ms, service="ingress")]
        if reroute.status not in get_args(FinalStatus):
            error_text = f"{reroute.status!r} is no final status"
            return [
                dead_letter(
                    record, reason="invalid_record", field="status", error=error_text, at_ms=at_ms, service="ingress"
                )
            ]
        headers = trace_headers(record)
        message_id, route_no = reroute.context.message_id, reroute.route_no + 1
        before = self._own.routed(message_id, route_no)
        if before is not None:
            return [self._event(reroute, before.connector_id, at_ms, headers)]
        ended = self._own.ended(message_id)
        if ended is not None:
            why = _Why(cast("FinalStatus", ended.status), ended.reason, ended.field)
            return self._end(reroute, why, ended.occurred_at_ms, headers)
        connector_id = self._next(reroute, at_ms)
        if connector_id is None:
            why = _Why(cast("FinalStatus", reroute.status), reroute.reason, reroute.field, reroute.smsc_error)
            return self._end(reroute, why, at_ms, headers)
        return [
            self._submission(reroute, connector_id, headers),
            self._event(reroute, connector_id, at_ms, headers),
        ]

    def _next(self, submission: Submission, at_ms: int) -> str | None:
        """The first connector in use of the matching route that this message has not been given to."""
        if submission.pinned:
            return None
        context = submission.context
        where = Destination(context.to, context.country, context.sender, at_ms)
        tried = {*submission.tried, submission.connector_id}
        candidates = self.view.candidates(where, context.account_id, context.lane)
        return next((connector_id for connector_id in candidates if connector_id not in tried), None)

    def _submission(self, ended: Submission, connector_id: str, headers: Headers) -> Out:
        following = Submission(
            route_no=ended.route_no + 1,
            context=ended.context,
            content=ended.content,
            expires_at_ms=ended.expires_at_ms,
            connector_id=connector_id,
            tried=[*ended.tried, ended.connector_id],
            queued=ended.queued,
        )
        topic = submissions_topic(ended.context.lane)
        return Out(topic, ended.context.to.encode(), following.to_json(), headers)

    def _event(self, reroute: Reroute, connector_id: str, at_ms: int, headers: Headers) -> Out:
        context = reroute.context
        return self._events.out(
            "rerouted",
            occurred_at_ms=at_ms,
            message_id=context.message_id,
            headers=headers,
            route_no=reroute.route_no + 1,
            accepted_at_ms=context.accepted_at_ms,
            account_id=context.account_id,
            lane=context.lane,
            connector_id=connector_id,
            reason=reroute.reason,
            smsc_error=reroute.smsc_error,
            detail=f"from {reroute.connector_id}",
        )

    def _end(self, submission: Submission, why: _Why, at_ms: int, headers: Headers) -> list[Out]:
        return [
            *status_outs(
                self._events,
                submission.context,
                why.status,
                final=True,
                occurred_at_ms=at_ms,
                route_no=submission.route_no,
                connector_id=submission.connector_id,
                reason=why.reason,
                field=why.field,
                smsc_error=why.smsc_error,
                headers=headers,
            )
        ]
