"""Pure: what becomes of one request: taken, rejected, dropped as a repeat, moved to its key's partition, dead letter.

The order of the questions matters. Whatever a predecessor has decided is not decided again; then the idempotency key
speaks, because a repeat must not be rejected for what has changed since; then account, sender, lane; then whether it
goes now, and only of one that does opt-out, route, and for a request with a key whether it can be encoded.
"""

from typing import Final, NamedTuple

from schemas.gateway.accounts import Account
from schemas.message_context import MessageContext
from schemas.requests import is_short_code, sender_as_sent
from schemas.topics import MT_REQUESTS_OTP
from schemas.wire import Lane
from services.ingress.opt_outs import OptOuts
from services.ingress.outputs import (
    accepted_event,
    duplicate_event,
    key_out,
    moved_out,
    rejected_event,
    scheduled_out,
    submission_out,
)
from services.ingress.own_output import DecidedByIngress
from services.ingress.place import RequestPlace, can_be_copy, home_partition, own_place, place_of
from shared.kafka.records import Headers, In, Out, dead_letter, trace_headers
from shared.messages.admission import Admitted, NotAnObject, Rejected, admit
from shared.messages.country import CountryTable
from shared.messages.encodable import refusal_of
from shared.messages.events import EventMaker
from shared.messages.idempotency import KeyStore, Taken, body_hash, decide, key_hash
from shared.messages.quiet_hours import QuietClock
from shared.messages.routing import Destination, GatewayView, NotRouted
from shared.messages.statuses import status_outs
from shared.messages.terms import Terms, terms_of

MOVABLE_OCTETS_MAX: Final = 900_000
"""A copy with its key and headers must stay below Kafka's limit of a megabyte; no text needs as much, however
escaped."""

_NO_ACCOUNT: Final = Account(id="?")


class _Arrival(NamedTuple):
    """One record on its way through the questions."""

    record: In
    place: RequestPlace
    message_id: str
    headers: Headers
    at_ms: int


class _Refusal(NamedTuple):
    reason: str
    field: str | None = None
    detail: str = ""


class _Claim(NamedTuple):
    """An idempotency key that a request presents."""

    store: KeyStore
    hashed: bytes
    body: bytes


class RequestDecider:
    """Decides about the records of one topic of requests. `view` is replaced when the configuration changes.

    `keys` has a store for every partition that is held; `partitions` is the topic's count, fixed for life.
    """

    def __init__(
        self,
        events: EventMaker,
        topic: str,
        partitions: int,
        countries: CountryTable,
        opt_outs: OptOuts,
        own: DecidedByIngress,
        view: GatewayView,
    ) -> None:
        self._events = events
        self._default_lane: Final[Lane] = "otp" if topic == MT_REQUESTS_OTP else "txn"
        self._partitions = partitions
        self._countries = countries
        self._opt_outs = opt_outs
        self._own = own
        self._quiet = QuietClock()
        self.view = view
        self.keys: dict[int, KeyStore] = {}

    def decide(self, record: In, at_ms: int) -> list[Out]:
        """Everything that follows from `record`, decided at `at_ms` (wall clock, milliseconds). Never raises for it."""
        place = place_of(record)
        request = admit(record.value, place.timestamp_ms, self._default_lane)
        if place.moved and not can_be_copy(record, place, request, self._partitions):
            place = own_place(record)
            request = admit(record.value, place.timestamp_ms, self._default_lane)
        headers = trace_headers(record) if record.headers else ()
        if isinstance(request, NotAnObject):
            return [dead_letter(record, reason="not_an_object", error=request.error, at_ms=at_ms, service="ingress")]
        arrival = _Arrival(record, place, place.message_id(record.topic), headers, at_ms)
        if isinstance(request, Rejected):
            country = self._countries.of(request.to) if request.is_number and request.to else ""
            context = request.context(arrival.message_id, arrival.place.timestamp_ms, country)
            if ended := self._own.ended(arrival.message_id):  # for the same reason, but when it was
                arrival = arrival._replace(at_ms=ended.occurred_at_ms)
            return self._refuse(arrival, context, _Refusal(request.reason, request.field))
        if request.idempotency_key is not None:
            return self._with_key(arrival, request, request.idempotency_key)
        before = self._decided_before(arrival, request, None)
        return self._judge(arrival, request, None) if before is None else before

    def _with_key(self, arrival: _Arrival, request: Admitted, key: str) -> list[Out]:
        record = arrival.record
        home = home_partition(request.account_id, key, self._partitions)
        if home != record.partition and not arrival.place.moved:
            return self._move(arrival, request, home)
        store = self.keys.get(record.partition)
        if store is None:
            store = self.keys[record.partition] = KeyStore()
        claim = _Claim(store, key_hash(request.account_id, key), body_hash(request))
        if (before := self._decided_before(arrival, request, claim)) is not None:
            return before
        taken = store.find(claim.hashed, arrival.place.timestamp_ms)
        match decide(taken, arrival.message_id, claim.body, record.offset):
            case "conflict":
                return self._conflict(arrival, request, taken)
            case "repeat":
                return self._repeat(arrival, request, taken)
            case "copy":
                return []
        return self._judge(arrival, request, claim)

    def _move(self, arrival: _Arrival, request: Admitted, home: int) -> list[Out]:
        record = arrival.record
        octets = len(record.value or b"")
        if self._own.is_copied(record):
            return []  # a predecessor moved it, and died before its commit
        if octets > MOVABLE_OCTETS_MAX:
            detail = f"{octets} octets cannot be moved to partition {home} of the key; use the record key account:key"
            return self._refuse_request(arrival, request, _Refusal("invalid_field", "idempotency_key", detail))
        return [moved_out(record, arrival.place, request, home)]

    def _decided_before(self, arrival: _Arrival, request: Admitted, claim: _Claim | None) -> list[Out] | None:
        """The same once more, without the submission: its events may have been lost in the crash. None: undecided."""
        if not self._own:
            return None
        account = self.view.accounts.get(request.account_id, _NO_ACCOUNT)
        if (waits := self._own.waits(arrival.message_id)) is not None:
            return self._schedule(arrival, request, account, claim, waits.sender)[1:]
        routed = self._own.routed(arrival.message_id, 0)
        if routed is not None:
            terms = terms_of(request, account, routed.connector_id, request.connector_id is not None)
            terms = terms._replace(sender=routed.sender)
            return self._take(arrival, request, terms, claim, self._country(request))[1:]
        ended = self._own.ended(arrival.message_id)
        if ended is None or ended.status != "rejected":
            return None
        context = self._context(arrival, request, request.sender or "")
        return self._refuse(arrival._replace(at_ms=ended.occurred_at_ms), context, _Refusal(ended.reason, ended.field))

    def _judge(self, arrival: _Arrival, request: Admitted, claim: _Claim | None) -> list[Out]:
        account = self.view.accounts.get(request.account_id)
        if account is None:
            return self._refuse_request(arrival, request, _Refusal("unknown_account", "account_id"))
        if is_short_code(request.to) and not account.short_codes:
            detail = f"{request.to} is a short code, and account {account.id} has no short_codes: true"
            return self._refuse_request(arrival, request, _Refusal("invalid_destination", "to", detail))
        if request.sender is None and not account.default_sender:
            detail = f"account {account.id} has no default_sender"
            return self._refuse_request(arrival, request, _Refusal("invalid_sender", "from", detail))
        if account.limits.lanes is not None and request.lane not in account.limits.lanes:
            detail = f"account {account.id} may use: {', '.join(account.limits.lanes)}"
            return self._refuse_request(arrival, request, _Refusal("lane_not_allowed", "lane", detail))
        if request.send_at_ms is not None and request.send_at_ms > arrival.place.timestamp_ms:
            return self._schedule(arrival, request, account, claim)
        if account.quiet_hours is not None:
            until_ms = self._quiet.quiet_until(account, request.lane, request.to, arrival.at_ms)
            if until_ms is not None:
                return self._schedule(arrival, request, account, claim, quiet_until_ms=until_ms)
        sender = request.sender or sender_as_sent(account.default_sender or "")
        if self._opt_outs.has(request.account_id, request.to, sender, request.idempotency_key):
            return self._refuse_request(arrival, request, _Refusal("opted_out", "to"))
        country = self._country(request)
        where = Destination(request.to, country, sender, arrival.at_ms)
        chosen = self.view.choose(where, request.account_id, request.lane, arrival.message_id, request.connector_id)
        if isinstance(chosen, NotRouted):
            return self._refuse_request(arrival, request, _Refusal(chosen.reason, chosen.field))
        terms = terms_of(request, account, chosen.connector_id, chosen.pinned)
        if claim is not None and (why := refusal_of(request, terms, self.view.profile(chosen.connector_id))):
            return self._refuse_request(arrival, request, _Refusal(why.reason, why.field, why.detail))
        return self._take(arrival, request, terms, claim, country)

    def _take(
        self, arrival: _Arrival, request: Admitted, terms: Terms, claim: _Claim | None, country: str
    ) -> list[Out]:
        """Submission first, then what goes with it."""
        context = request.context(arrival.message_id, arrival.place.timestamp_ms, terms.sender, country)
        return self._taken(
            submission_out(context, request, terms, arrival.headers), arrival, context, terms.connector_id, claim
        )

    def _schedule(
        self,
        arrival: _Arrival,
        request: Admitted,
        account: Account,
        claim: _Claim | None,
        sender: str = "",
        quiet_until_ms: int | None = None,
    ) -> list[Out]:
        """The message is taken and waits; opt-outs and routes are those of the moment it goes (`scheduling`). `sender`
        is given where it was decided before."""
        terms = terms_of(request, account, request.connector_id or "", request.connector_id is not None)
        sender = sender or terms.sender
        context = request.context(arrival.message_id, arrival.place.timestamp_ms, sender, self._country(request))
        first = scheduled_out(context, request, terms, arrival.headers, quiet_until_ms)
        return self._taken(first, arrival, context, "", claim)

    def _taken(
        self, first: Out, arrival: _Arrival, context: MessageContext, connector_id: str, claim: _Claim | None
    ) -> list[Out]:
        """`first`, the record with which the message goes on, and what goes with that."""
        message_id, accepted_at_ms = context.message_id, context.accepted_at_ms
        outs = [first]
        if claim is not None:
            outs.append(key_out(arrival.record, claim.hashed, message_id, claim.body, accepted_at_ms))
        outs.append(accepted_event(self._events, context, connector_id, arrival.at_ms, arrival.headers))
        if context.receipt == "all":  # by the time of acceptance: a repeat after a crash says the same
            outs += status_outs(
                self._events,
                context,
                "accepted",
                final=False,
                occurred_at_ms=accepted_at_ms,
                connector_id=connector_id,
                headers=arrival.headers,
            )
        if claim is not None:  # last: whatever fails before leaves no key behind
            claim.store.take(claim.hashed, message_id, claim.body, accepted_at_ms, arrival.record.offset)
        return outs

    def _conflict(self, arrival: _Arrival, request: Admitted, taken: Taken | None) -> list[Out]:
        detail = f"the key belongs to message {taken.message_id}" if taken else ""
        return self._refuse_request(arrival, request, _Refusal("idempotency_conflict", "idempotency_key", detail))

    def _repeat(self, arrival: _Arrival, request: Admitted, taken: Taken | None) -> list[Out]:
        if taken is None:
            return []
        context = self._context(arrival, request, request.sender or "")
        first = (taken.message_id, taken.accepted_at_ms)
        return [duplicate_event(self._events, *first, context, arrival.at_ms, arrival.headers)]

    def _refuse_request(self, arrival: _Arrival, request: Admitted, refusal: _Refusal) -> list[Out]:
        return self._refuse(arrival, self._context(arrival, request, request.sender or ""), refusal)

    def _refuse(self, arrival: _Arrival, context: MessageContext, refusal: _Refusal) -> list[Out]:
        reason, field, detail = refusal
        at_ms, headers = arrival.at_ms, arrival.headers
        status = status_outs(
            self._events,
            context,
            "rejected",
            final=True,
            occurred_at_ms=at_ms,
            reason=reason,
            field=field,
            headers=headers,
            detail=detail,
        )
        return [*status, rejected_event(self._events, context, reason, field, detail, at_ms, headers)]

    def _context(self, arrival: _Arrival, request: Admitted, sender: str) -> MessageContext:
        return request.context(arrival.message_id, arrival.place.timestamp_ms, sender, self._country(request))

    def _country(self, request: Admitted) -> str:
        return "" if is_short_code(request.to) else self._countries.of(request.to)
