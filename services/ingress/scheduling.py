"""Pure: what becomes of a message whose time has come: opt-outs, limits and routes are those of this moment."""

from schemas.scheduled import ScheduledMessage
from schemas.submissions import Submission
from services.ingress.opt_outs import OptOuts
from services.ingress.outputs import rejected_event, submissions_topic, waiting_out
from services.ingress.own_output import DecidedByIngress
from shared.kafka.records import Headers, In, Out, dead_letter_of_error, trace_headers
from shared.messages.events import EventMaker
from shared.messages.quiet_hours import QuietClock
from shared.messages.routing import Destination, GatewayView, NotRouted
from shared.messages.statuses import status_outs


class DueDecider:
    """Decides about the records of `mt.due`. `view` is replaced when the configuration changes.

    A wait ends once, in a transaction of the scheduler, so its record comes once; after a crash `own` knows what became
    of it.
    """

    def __init__(self, events: EventMaker, opt_outs: OptOuts, own: DecidedByIngress, view: GatewayView) -> None:
        self._events = events
        self._opt_outs = opt_outs
        self._own = own
        self._quiet = QuietClock()
        self.view = view

    def decide(self, record: In, at_ms: int) -> list[Out]:
        """Everything that follows from `record`, decided at `at_ms` (Kafka's time, ms). Never raises for it."""
        try:
            message = ScheduledMessage.from_json(record.value or b"")
        except ValueError as error:
            return [dead_letter_of_error(record, error, at_ms=at_ms, service="ingress")]
        headers = trace_headers(record)
        message_id = message.context.message_id
        if self._own.routed(message_id, message.route_no) is not None:
            return []
        if self._own.waits(message_id, message.wait_no + 1) is not None:
            return []
        if (ended := self._own.ended(message_id)) is not None:
            if ended.status != "rejected":
                return []
            return self._refuse(message, ended.reason, ended.field, "", ended.occurred_at_ms, headers)
        return self._judge(message, at_ms, headers)

    def _judge(self, message: ScheduledMessage, at_ms: int, headers: Headers) -> list[Out]:
        context = message.context
        account = self.view.accounts.get(context.account_id)
        if account is None:
            return self._refuse(message, "unknown_account", "account_id", "", at_ms, headers)
        if account.quiet_hours is not None:
            until_ms = self._quiet.quiet_until(account, context.lane, context.to, at_ms)
            if until_ms is not None:
                waits = {"due_at_ms": until_ms, "why": "quiet_hours", "wait_no": message.wait_no + 1}
                return [waiting_out(message.model_copy(update=waits), headers)]
        if self._opt_outs.has(account.id, context.to, context.sender, context.idempotency_key or None):
            return self._refuse(message, "opted_out", "to", "", at_ms, headers)
        if account.limits.lanes is not None and context.lane not in account.limits.lanes:
            detail = f"account {account.id} may use: {', '.join(account.limits.lanes)}"
            return self._refuse(message, "lane_not_allowed", "lane", detail, at_ms, headers)
        where = Destination(context.to, context.country, context.sender, at_ms)
        pinned = message.connector_id or None
        chosen = self.view.choose(where, account.id, context.lane, context.message_id, pinned)
        if isinstance(chosen, NotRouted):
            return self._refuse(message, chosen.reason, chosen.field, "", at_ms, headers)
        submission = Submission(
            route_no=message.route_no,
            context=context,
            content=message.content,
            expires_at_ms=message.expires_at_ms,
            connector_id=chosen.connector_id,
            pinned=chosen.pinned,
        )
        return [Out(submissions_topic(context.lane), context.to.encode(), submission.to_json(), headers)]

    def _refuse(
        self, message: ScheduledMessage, reason: str, field: str | None, detail: str, at_ms: int, headers: Headers
    ) -> list[Out]:
        status = status_outs(
            self._events,
            message.context,
            "rejected",
            final=True,
            occurred_at_ms=at_ms,
            reason=reason,
            field=field,
            headers=headers,
            detail=detail,
        )
        return [*status, rejected_event(self._events, message.context, reason, field, detail, at_ms, headers)]
