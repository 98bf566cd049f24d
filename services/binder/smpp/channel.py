"""Edge: SMPP as a channel: one bind of a connector, through all its links one after another."""

import asyncio
import logging
from collections.abc import Callable, Hashable, Mapping

from schemas.gateway.connectors.smpp import SmppConnector
from schemas.wire import KnownFormat
from services.binder.channel import Answers, LinkWatcher, NotConnected, Unsendable
from services.binder.lease.backoff import Failure
from services.binder.lease.machine import LeaseEvent
from services.binder.receive.receiving import Receiving
from services.binder.smpp.bind_failure import failure_of
from services.binder.smpp.link import EsmeConnection, EsmeLink, NotBound
from services.binder.smpp.link_plan import link_plan, over_long, peculiarities, vendor_tlvs
from services.binder.smpp.link_trace import EsmeTrace
from services.binder.smpp.quirk_log import QuirkLog
from services.binder.smpp.received_record import Receiver, received_record
from services.binder.smpp.status_policy import status_policy
from services.binder.submit.dispatch_record import DispatchedSegment
from services.binder.trace.tracing import Tracing
from shared.process.clock import now_ms
from shared.process.secret_values import MissingSecret, fingerprint, read_secret
from shared.smpp.constants import SmppCommandStatus, command_name
from shared.smpp.errors import UnencodablePdu
from shared.smpp.events import DeliverReceived
from shared.smpp.user_data import user_data_defects

log = logging.getLogger(__name__)

_ROK = SmppCommandStatus.ESME_ROK.value
_TRY_AGAIN = SmppCommandStatus.ESME_RX_T_APPN.value


class EsmeDeliverer:
    """One connection, as `Receiving` answers what came over it."""

    def __init__(self, connection: EsmeConnection) -> None:
        self._connection = connection

    def answer(self, reference: int, now_s: float, *, taken: bool) -> None:
        """ESME_RX_T_APPN: the SMSC keeps it and tries again."""
        self._connection.session.answer_deliver(reference, _ROK if taken else _TRY_AGAIN, now_s)

    def wake(self) -> None:
        self._connection.wake()


class SmppChannel:
    """A `Channel`; also the owner of its link, whose reports it translates for `answers` and `watcher`."""

    def __init__(
        self,
        connector: SmppConnector,
        partition: int,
        answers: Answers,
        watcher: LinkWatcher,
        receiving: Receiving,
        tracing: Tracing,
        formats: Mapping[str, KnownFormat],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._partition = partition
        self._answers = answers
        self._watcher = watcher
        self._receiving = receiving
        self._tracing = tracing
        self._formats = formats
        self._quirks = QuirkLog(connector.id, partition)
        self._plan = link_plan(connector)
        self._address_no = 0
        self._secret_tried: int | None = None
        """Fingerprint of the secret at the last attempt."""
        self._link: EsmeLink | None = None
        self._trace: EsmeTrace | None = None
        self._deliverers: dict[EsmeConnection, EsmeDeliverer] = {}
        self._adopt_options(connector)

    # -- configuration -----------------------------------------------------------------------------------------------

    @property
    def account(self) -> Hashable:
        return self._plan.account

    @property
    def described(self) -> str:
        return f"{self._connector.bind} at {self._link.peer if self._link is not None else ''}"

    @property
    def drain_timeout_s(self) -> float:
        return self._connector.options.response_timeout_s

    def configure(self, connector: SmppConnector) -> LeaseEvent | None:
        plan = link_plan(connector)
        changed, self._plan = plan != self._plan, plan
        self._adopt_options(connector)
        if self._link is not None:
            self._link.resize_window(connector.window)
        secret_changed = fingerprint(plan.password) != self._secret_tried
        if changed or secret_changed:  # what failed before says nothing about it
            self._address_no = 0
        if changed:
            return LeaseEvent.CHANGED
        return LeaseEvent.SECRET_CHANGED if secret_changed else None

    def _adopt_options(self, connector: SmppConnector) -> None:
        options = connector.options
        self._connector = connector
        self._policy = status_policy(options.status_map)
        self._service_type = options.service_type
        self._vendor_tlvs, problems = vendor_tlvs(options.vendor_tlvs)
        for problem in (*self._policy.problems, *problems):
            log.error("connector %s: %s", connector.id, problem)
        self._receiver = Receiver(
            connector.id,
            connector.provider,
            self._partition,
            options.dlr_by_text,
            options.message_id_format,
            options.receipt_id,
            self._formats,
        )

    # -- life of a link ----------------------------------------------------------------------------------------------

    async def connect(self) -> NotConnected | None:
        connector, plan = self._connector, self._plan
        self._deliverers.clear()
        self._secret_tried = fingerprint(plan.password)
        try:
            password = read_secret(plan.password)
        except MissingSecret as error:
            return NotConnected(Failure.UNUSABLE, str(error))
        for warning in over_long(connector, password):
            log.warning("connector %s: %s", connector.id, warning)
        trace = EsmeTrace(self._tracing, connector, self._partition, plan.addresses[self._address_no])
        link = EsmeLink(self, trace.session)
        try:
            failed = await link.open(connector, plan, password, self._address_no)
        except BaseException:
            trace.forget()
            raise
        if failed is not None:
            trace.forget()
            return self._not_connected(failed)
        self._link, self._trace = link, trace
        link.resize_window(self._connector.window)  # it may have changed meanwhile
        unusual = ", ".join(peculiarities(self._connector))
        more = f" ({unusual})" if unusual else ""
        log.info("connector %s:%d is bound at %s%s", connector.id, self._partition, link.peer, more)
        return None

    def _not_connected(self, failed: NotBound) -> NotConnected:
        """Report a failed attempt. The next one begins with another address where this one may have been to blame."""
        failure = Failure.UNUSABLE if failed.unusable else failure_of(failed.command_status)
        if failure in (Failure.LINK, Failure.REFUSED):
            self._address_no = (self._address_no + 1) % len(self._plan.addresses)
        return NotConnected(failure, failed.reason, failed.command_status or 0)

    async def drain(self) -> None:
        if self._link is not None:
            await self._link.drain()

    async def abort(self) -> None:
        if self._link is not None:
            await self._link.abort()

    def leave(self, why: str) -> None:
        if self._link is not None and not self._link.leaving:
            log.error("connector %s:%d: %s; unbinding", self._connector.id, self._partition, why)
            self._link.leave()

    def cut(self) -> None:
        link, self._trace = self._link, None
        if link is not None:
            link.cut()

    # -- submitting --------------------------------------------------------------------------------------------------

    @property
    def window_free(self) -> int:
        return 0 if self._link is None else self._link.window_free

    def submit(self, segment: DispatchedSegment, at_ms: int) -> bool:
        if self._link is None:
            return False
        try:
            left_ms = segment.expires_at_ms - at_ms
            submit_sm = segment.payload.submit_sm(left_ms, at_ms, self._vendor_tlvs, self._service_type)
            return self._link.submit(segment, submit_sm)
        except UnencodablePdu as error:
            raise Unsendable(str(error)) from error

    def flush(self, still_allowed: Callable[[], bool]) -> None:
        if self._link is not None:
            self._link.flush(still_allowed)

    # -- what the link reports (LinkOwner) ---------------------------------------------------------------------------

    def submit_answered(self, token: DispatchedSegment, command_status: int, smsc_message_id: str | None) -> None:
        self._answers.answered(token, self._policy.said(command_status, smsc_message_id))

    def submit_unknown(self, token: DispatchedSegment) -> None:
        self._answers.unknown(token)

    def late_response(self, token: DispatchedSegment, command_status: int, smsc_message_id: str | None) -> None:
        self._answers.answered_late(token, self._policy.said(command_status, smsc_message_id))

    def delivered(self, connection: EsmeConnection, event: DeliverReceived) -> None:
        pdu = event.pdu
        if pdu.tlvs or event.defects:
            for defect in (*event.defects, *user_data_defects(pdu)):
                self.noticed(defect, f"in a {command_name(pdu.command_id)}, which is taken all the same")
        deliverer = self._deliverers.get(connection)
        if deliverer is None:
            deliverer = self._deliverers[connection] = EsmeDeliverer(connection)
        if self._receiving.is_full():
            deliverer.answer(event.sequence_number, self._loop.time(), taken=False)
        else:
            out = received_record(pdu, self._receiver, now_ms())
            self._receiving.delivered(deliverer, event.sequence_number, out)

    def noticed(self, kind: str, detail: str) -> None:
        self._quirks.noticed(kind, detail, self._loop.time())

    def link_moved(self) -> None:
        self._answers.advance()

    def link_down(self, reason: str) -> None:
        trace, self._trace, self._link = self._trace, None, None
        self._address_no = 0
        self._deliverers.clear()
        self._watcher.link_down(reason, reason if trace is None else trace.ended(reason))
