"""Edge: the SMSC: takes the events of every bind, does what the account's behaviour says, at the time it says."""

import asyncio
import itertools
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, TypeAlias, cast

from services.simulator.account import Delivery, PeerLink, SimulatedAccount, SmscConnection
from services.simulator.log_line import log_line
from services.simulator.message import SimulatedMessage, query_state
from services.simulator.message_ids import first_number, smsc_message_id
from services.simulator.mo import text_message
from services.simulator.odd_receipts import chosen_writing, odd_receipt
from services.simulator.rates import Totals
from services.simulator.receipts import ENROUTE, receipt_octets
from services.simulator.scenario import Mo, Scenario
from services.simulator.session import SimulatorSession
from services.simulator.submit_log import SubmitLog
from services.simulator.timer import Timer
from shared.process.clock import now_ms
from shared.smpp import pdu
from shared.smpp.codec import response_to
from shared.smpp.config import SmscConfig
from shared.smpp.constants import HEADER_LENGTH, SmppCommandStatus
from shared.smpp.events import (
    BindRequested,
    Closed,
    DeliverAnswered,
    DeliverUnknown,
    Event,
    LateResponse,
    ProtocolErrorSeen,
    RequestReceived,
    SubmitReceived,
)
from shared.smpp.hot import encode_short_message

UNANSWERED_MAX = 100_000
"""How many submits of one bind may wait for an answer: those that never get one must not stop the others."""

_RTHROTTLED = SmppCommandStatus.ESME_RTHROTTLED.value

_log = logging.getLogger(__name__)


class SubmitAnswer(NamedTuple):
    """A response that leaves later."""

    link: PeerLink
    sequence_number: int
    command_status: int
    message_id: str | None
    is_data_sm: bool


class Notification(NamedTuple):
    """An intermediate receipt that leaves later."""

    message: SimulatedMessage


Due: TypeAlias = SubmitAnswer | SimulatedMessage | Notification | Delivery | Callable[[], None]
"""What the timer keeps; a `SimulatedMessage` is due when its fate comes true."""


class Simulator:
    """All binds of one listener. `on_events` is what `shared.smpp.listener.serve` wants; single-threaded.

    passwords: by system_id of the scenario (`*` too); an account that is not in it may bring any. on_lost_log: called
    once with a sentence when the log cannot be written: from then on nothing is accepted.
    """

    def __init__(
        self,
        scenario: Scenario,
        log: SubmitLog,
        passwords: Mapping[str, str],
        on_lost_log: Callable[[str], None],
        on_traffic: Callable[[], None] = lambda: None,
    ) -> None:
        self.accounts: dict[str, SimulatedAccount] = {}
        self._scenario = scenario
        self._log = log
        self._passwords = passwords
        self._on_lost_log = on_lost_log
        self._on_traffic = on_traffic
        self._links: dict[SmscConnection, PeerLink] = {}
        self._numbers = itertools.count(first_number(now_ms()))
        self._loop = asyncio.get_running_loop()
        self._timer: Timer[Due] = Timer(self._on_due)
        session = scenario.session
        self._config = SmscConfig(
            system_id=session.system_id,
            enquire_link_s=session.enquire_link_s,
            inactivity_s=session.inactivity_s,
            session_init_s=session.session_init_s,
            response_timeout_s=session.deliver_timeout_s,
            unbind_timeout_s=2.0,
            unanswered_max=UNANSWERED_MAX,
        )

    def make_session(self, now: float) -> SimulatorSession:
        """The session of a new connection."""
        return SimulatorSession(self._config, now=now)

    def on_events(self, connection: SmscConnection, events: list[Event]) -> None:
        """Everything that one chunk of a connection brought."""
        now = self._loop.time()
        at_ms = now_ms()
        link = self._links.get(connection)
        for event in events:
            if link is None:
                if isinstance(event, BindRequested):
                    link = self._on_bind(connection, event, now)
            elif isinstance(event, SubmitReceived):
                self._on_submit(link, event.sequence_number, event.pdu, now, at_ms)
            elif isinstance(event, DeliverAnswered):
                self._on_delivery_answer(event.token, event.command_status, now)
            else:
                self._on_rare(link, event, now, at_ms)
        self._flush_log()
        if link is not None:
            self._on_traffic()
            if link.account.queue:
                link.account.pump(now)

    def answer_everything(self) -> None:
        """Before an orderly end: what was accepted is answered now, whatever latency it was to have."""
        for item in self._timer.stop():
            if isinstance(item, SubmitAnswer):
                self._answer(item)

    def totals(self) -> Totals:
        """What the rate line is made of."""
        accounts = self.accounts.values()
        return Totals(
            accepted=sum(one.counts.accepted for one in accounts),
            refused=sum(one.counts.refused.total() for one in accounts),
            receipts=sum(one.counts.receipts_sent for one in accounts),
            mo=sum(one.counts.mo_sent for one in accounts),
            queued=sum(len(one.queue) for one in accounts),
            binds={one.system_id: len(one.links) for one in accounts},
        )

    # ------------------------------------------------------------------------------------------------------------- MO

    def account(self, system_id: str) -> SimulatedAccount | None:
        """The account of a system_id, made when it is first asked for; None when the scenario has none for it."""
        account = self.accounts.get(system_id)
        if account is None:
            rule = self._scenario.account_of(system_id)
            if rule is None:
                return None
            account = self.accounts[system_id] = SimulatedAccount(system_id, rule, self._scenario.seed)
        return account

    def send_mo(self, account: SimulatedAccount, bodies: list[pdu.DeliverSm]) -> None:
        """Deliver messages from a handset, as soon as a bind of the account receives."""
        for body in bodies:
            octets = encode_short_message(body, sequence_number=0)[HEADER_LENGTH:]
            account.enqueue(Delivery(octets, account, is_mo=True))
        account.pump(self._loop.time())
        self._on_traffic()

    def next_number(self) -> int:
        """A number that this process gives once."""
        return next(self._numbers)

    def disconnect(self, account: SimulatedAccount) -> int:
        """Cut every bind of the account, without a word; returns how many."""
        links = list(account.links)
        for link in links:
            link.connection.abort()
        return len(links)

    def _start_mo(self, account: SimulatedAccount, now: float) -> None:
        if account.mo_started:
            return
        account.mo_started = True
        for mo in account.rule.mo:
            self._timer.add(now, mo.after_s, partial(self._scheduled_mo, account, mo, mo.count))

    def _scheduled_mo(self, account: SimulatedAccount, mo: Mo, left: int | None) -> None:
        times = 1 if mo.every_s is not None else (left or 1)
        for _ in range(times):
            bodies = text_message(mo.from_, mo.to, mo.text, self.next_number())
            if isinstance(bodies, list):
                self.send_mo(account, bodies)
        if mo.every_s is None or left == 1:
            return
        following = None if left is None else left - 1
        again = partial(self._scheduled_mo, account, mo, following)
        self._timer.add(self._loop.time(), mo.every_s, again)

    # ---------------------------------------------------------------------------------------------------------- binds

    def _on_bind(self, connection: SmscConnection, event: BindRequested, now: float) -> PeerLink | None:
        request = event.pdu
        account = self.account(request.system_id)
        session = cast(SimulatorSession, connection.session)  # made by make_session
        if account is None:
            connection.handle(session.refuse_bind(SmppCommandStatus.ESME_RINVSYSID, now))
            return None
        bind_mode = request.bind_mode
        status = account.refusal(bind_mode, request.password, self._passwords.get(account.rule.system_id))
        if status:
            account.counts.binds_refused[status] += 1
            connection.handle(session.refuse_bind(status, now))
            return None
        session.accept_bind(now)
        link = self._links[connection] = PeerLink(connection, session, account, bind_mode)
        account.add_link(link)
        if bind_mode.receives:
            self._start_mo(account, now)
        if account.rule.disconnect_every_s is not None:
            self._timer.add(now, account.rule.disconnect_every_s, connection.abort)
        return link

    # -------------------------------------------------------------------------------------------------------- submits

    def _on_submit(
        self, link: PeerLink, sequence_number: int, body: pdu.SubmitSm | pdu.DataSm, now: float, at_ms: int
    ) -> None:
        account = link.account
        link.submits += 1
        is_data_sm = type(body) is pdu.DataSm
        if not account.throttle.admits(now):
            account.counts.refused[_RTHROTTLED] += 1
            self._answer(SubmitAnswer(link, sequence_number, _RTHROTTLED, None, is_data_sm))
            return
        verdict = account.behaviour.judge(body.registered_delivery, account.draw)
        message_id = None
        if verdict.command_status:
            account.counts.refused[verdict.command_status] += 1
        else:
            names = smsc_message_id(next(self._numbers), account.rule.message_id_format)
            message_id = names.in_response
            self._log.add(log_line(body, sequence_number, account.system_id, message_id, at_ms))
            account.counts.accepted += 1
            final_at_ms = at_ms + int(verdict.final_s * 1000)
            message = SimulatedMessage(
                body, account.system_id, names, at_ms, verdict.word, final_at_ms, verdict.tells_final
            )
            account.recent.add(message)
            if verdict.tells_final:
                self._timer.add(now, verdict.final_s, message)
            if verdict.tells_intermediate:
                self._timer.add(now, verdict.final_s / 2, Notification(message))
        if link.submits == account.rule.disconnect_after:
            link.connection.abort()
        elif not verdict.is_answered:
            account.counts.unanswered += 1
        else:
            answer = SubmitAnswer(link, sequence_number, verdict.command_status, message_id, is_data_sm)
            if verdict.latency_s:
                self._timer.add(now, verdict.latency_s, answer)
            else:
                self._answer(answer)

    def _answer(self, answer: SubmitAnswer) -> None:
        link = answer.link
        if answer.is_data_sm:
            response = pdu.DataSmResp(answer.message_id)
            link.session.answer(answer.sequence_number, response, answer.command_status)
        else:
            link.session.answer_submit(answer.sequence_number, answer.command_status, answer.message_id)
        link.connection.wake()

    def _flush_log(self) -> None:
        """Raises OSError: the transport then cuts the connection, so that no answer leaves without its line."""
        try:
            self._log.flush()
        except OSError as error:
            self._on_lost_log(f"the log cannot be written: {error.strerror or error}")
            raise

    # ----------------------------------------------------------------------------------------------------- what is due

    def _on_due(self, due: list[Due]) -> None:
        now = self._loop.time()
        at_ms = now_ms()
        woken: set[SimulatedAccount] = set()
        for item in due:
            if isinstance(item, SubmitAnswer):
                self._answer(item)
            elif isinstance(item, SimulatedMessage):
                woken.add(self._settle(item, at_ms))
            elif isinstance(item, Notification):
                woken.add(self._tell(item.message, ENROUTE, at_ms))
            elif isinstance(item, Delivery):
                item.account.enqueue(item)
                woken.add(item.account)
            else:
                item()
        for account in woken:
            account.pump(now)
        self._on_traffic()

    def _settle(self, message: SimulatedMessage, at_ms: int) -> SimulatedAccount:
        """Its fate has come true: the final receipt, unless a cancel_sm has seen to that."""
        if message.is_settled:
            return self.accounts[message.system_id]
        account = self._tell(message, message.word, at_ms)
        message.is_settled = True
        return account

    def _tell(self, message: SimulatedMessage, word: str, at_ms: int) -> SimulatedAccount:
        """Queue a receipt, unless all has been said; returns the account to pump."""
        account = self.accounts[message.system_id]
        if not message.is_settled:
            receipts = account.rule.receipts
            octets = receipt_octets(message, word, at_ms, receipts.format, receipts.err)
            writing = chosen_writing(message.smsc_message_id.in_response, receipts.writings)
            account.enqueue(Delivery(odd_receipt(octets, writing), account))
        return account

    # ------------------------------------------------------------------------------------------------- answers to ours

    def _on_delivery_answer(self, delivery: Delivery, command_status: int, now: float) -> None:
        if delivery.account.on_delivery_answer(delivery, command_status):
            self._redeliver(delivery, now)

    def _redeliver(self, delivery: Delivery, now: float) -> None:
        account = delivery.account
        account.counts.redelivered += 1
        self._timer.add(now, account.rule.receipts.redeliver_after_s, delivery)

    def _on_rare(self, link: PeerLink, event: Event, now: float, at_ms: int) -> None:
        account = link.account
        match event:
            case RequestReceived(sequence_number, body):
                self._on_request(link, sequence_number, body, now, at_ms)
            case DeliverUnknown(delivery, reason):
                if reason == "no_response":
                    self._redeliver(delivery, now)
                else:
                    account.counts.redelivered += 1
                    account.enqueue(delivery)
            case LateResponse(delivery, command_status):
                if command_status == 0:
                    account.on_delivery_answer(delivery, command_status)
            case ProtocolErrorSeen(kind, detail):
                _log.warning("%s: %s: %s", account.system_id, kind, detail)
            case Closed():
                del self._links[link.connection]
                account.remove_link(link)
            case _:
                pass

    def _on_request(self, link: PeerLink, sequence_number: int, body: pdu.SmscRequest, now: float, at_ms: int) -> None:
        session, account = link.session, link.account
        match body:
            case pdu.DataSm():
                self._on_submit(link, sequence_number, body, now, at_ms)
            case pdu.QuerySm():
                message = account.recent.find(body.message_id)
                if message is None:
                    session.answer(sequence_number, pdu.QuerySmResp(body.message_id), SmppCommandStatus.ESME_RQUERYFAIL)
                    return
                final_date, state = query_state(message, at_ms)
                session.answer(sequence_number, pdu.QuerySmResp(body.message_id, final_date, state))
            case pdu.CancelSm():
                message = account.recent.find(body.message_id)
                if message is None or not message.is_on_its_way(at_ms):
                    session.answer(sequence_number, pdu.CancelSmResp(), SmppCommandStatus.ESME_RCANCELFAIL)
                    return
                session.answer(sequence_number, pdu.CancelSmResp())
                message.cancel(at_ms)
                if message.tells_final:
                    self._settle(message, at_ms)
                message.is_settled = True
            case pdu.ReplaceSm():
                session.answer(sequence_number, pdu.ReplaceSmResp(), SmppCommandStatus.ESME_RREPLACEFAIL)
            case _:
                response = response_to(body.command_id)
                session.answer(sequence_number, response, SmppCommandStatus.ESME_RINVCMDID)
