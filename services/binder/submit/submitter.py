"""Edge: the segments of one partition go to its link, and the answers to Kafka."""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from enum import Enum, auto
from functools import partial
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition

from schemas.gateway.connectors.kinds import Connector
from services.binder.outbox import Offsets, Outbox, Parcel
from services.binder.receive.received_record import Receiver
from services.binder.receive.receiving import Receiving
from services.binder.smpp.link import EsmeConnection, Link
from services.binder.smpp.link_plan import vendor_tlvs
from services.binder.smpp.quirk_log import QuirkLog
from services.binder.smpp.status_policy import status_policy
from services.binder.submit.committing import Point
from services.binder.submit.dispatch_record import Segment, read_id
from services.binder.submit.feedback_record import Answer, Origin, answers_record
from services.binder.submit.journal import Journal
from services.binder.submit.pace import Pace
from services.binder.submit.submissions import Submissions
from shared.kafka.records import dead_letter_of_error
from shared.messages.events import EventMaker
from shared.process.clock import monotonic_s, monotonic_us, now_ms
from shared.process.telemetry import DEAD_LETTERS
from shared.smpp.constants import command_name
from shared.smpp.errors import UnencodablePdu
from shared.smpp.events import DeliverReceived
from shared.smpp.user_data import user_data_defects

log = logging.getLogger(__name__)

SERVICE: Final = "binder"
QUEUE_HIGH: Final = 2000
"""Records read and not taken: with more, the partition is not fetched. The throttler's credits keep it far below."""

PAUSE_MS: Final = 4
"""Least time between two looks at the pace. Its lateness allowance makes up for it, timers of the event loop are good
to a millisecond at best, and what goes out in one write costs one system call."""

SENT_WITHIN_S: Final = 3.0
"""From the question whether segments may be written to the system call. A process that took longer was stopped: with a
heartbeat of 5 s before the question, others may soon have its work."""


class Intent(Enum):
    """What may be done with unclaimed records now."""

    HOLD = auto()
    CLAIM = auto()
    REFUSE = auto()


class Submitter:
    """One partition's way to the SMSC and back: owner of a link, source of the outbox, journal of the committer.

    `intent` and `may_write` are asked before every step; `on_link_down` tells the lease.
    """

    def __init__(
        self,
        tp: TopicPartition,
        connector: Connector,
        journal: Journal,
        *,
        owner: str,
        outbox: Outbox,
        receiving: Receiving,
        events: EventMaker,
        intent: Callable[[], Intent],
        may_write: Callable[[], bool],
        on_claim: Callable[[], None],
        on_link_down: Callable[[str], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.tp: Final = tp
        self._owner = owner
        self._outbox = outbox
        self._receiving = receiving
        self._events = events
        self._intent = intent
        self._may_write = may_write
        self._on_claim = on_claim
        self._on_link_down = on_link_down
        self._pace = Pace()
        self._pace_timer: asyncio.TimerHandle | None = None
        self._quirks = QuirkLog(connector.id, tp.partition)
        self.link: Link | None = None
        self.submissions = Submissions(journal)
        self.configure(connector)
        outbox.add(self)

    def configure(self, connector: Connector) -> None:
        """Options and window count at once, also on a link that is up."""
        self.connector = connector
        self._policy = status_policy(connector.options.status_map, connector.options.message_id_format)
        self._service_type = connector.options.service_type
        self._vendor_tlvs, problems = vendor_tlvs(connector.options.vendor_tlvs)
        for problem in (*self._policy.problems, *problems):
            log.error("connector %s: %s", connector.id, problem)
        self._receiver = Receiver(
            connector.id,
            connector.provider,
            self.tp.partition,
            connector.options.dlr_by_text,
            connector.options.message_id_format,
        )
        if self.link is not None:
            self.link.resize_window(connector.window)

    def adopt(self, journal: Journal) -> None:
        """The partition was judged: go on with its new journal; what was read is read again."""
        self.submissions = Submissions(journal)

    def close(self) -> None:
        """Nothing more comes from here."""
        self._outbox.remove(self)
        if self._pace_timer is not None:
            self._pace_timer.cancel()

    @property
    def idle(self) -> bool:
        """Whether every answer is on its way to Kafka."""
        return not self.submissions.in_flight and not self.submissions.answers

    # -- submitting -------------------------------------------------------------------------------------------------

    def take(self, records: Sequence[ConsumerRecord]) -> None:
        """New records of the partition."""
        self.submissions.take(records)
        self.advance()

    def advance(self) -> None:
        """Do all that can be done now; called after everything that may have changed something."""
        submissions, at_ms = self.submissions, now_ms()
        if submissions.queued:
            intent = self._intent()
            if intent is Intent.CLAIM:
                if submissions.claim(self.connector.window, at_ms):
                    self._on_claim()
            elif intent is Intent.REFUSE:
                submissions.refuse_all(at_ms)
        if submissions.has_ready:
            asked_s = monotonic_s()  # before the question, or a sleep in between would go unnoticed
            if self._may_write():
                self._write(at_ms, asked_s)
        if submissions.dead:
            self._bury(at_ms)
        if submissions.answers:
            self._outbox.poke()

    def _write(self, at_ms: int, asked_s: float) -> None:
        link, submissions, pace = self.link, self.submissions, self._pace
        if link is None or self._pace_timer is not None:
            return
        free, written = link.window_free, False
        while free > 0 and (segment := submissions.next_ready(at_ms)) is not None:
            now_ns = monotonic_us() * 1000
            if wait_ns := pace.wait_ns(segment.spacing_us, now_ns):
                self._resume_in(wait_ns)
                break
            try:
                left_ms = segment.expires_at_ms - at_ms
                pdu = segment.payload.submit_sm(left_ms, self._vendor_tlvs, self._service_type)
                if not link.submit(segment, pdu):
                    break
            except UnencodablePdu as error:
                submissions.unencodable(error, at_ms)
                continue
            submissions.began(at_ms)
            pace.went(segment.spacing_us, now_ns)
            free -= 1
            written = True
        if written:
            link.flush(lambda: monotonic_s() - asked_s < SENT_WITHIN_S)

    def _resume_in(self, wait_ns: int) -> None:
        if self._pace_timer is None:
            wait_ms = max(PAUSE_MS, math.ceil(wait_ns / 1_000_000))
            self._pace_timer = self._loop.call_later(wait_ms / 1000, self._on_pace)

    def _on_pace(self) -> None:
        self._pace_timer = None
        self.advance()

    def _bury(self, at_ms: int) -> None:
        dead, self.submissions.dead = self.submissions.dead, []
        for item in dead:
            log.error("%s:%d offset %d is no dispatch: %s", self.tp.topic, self.tp.partition, item.offset, item.error)
            letter = dead_letter_of_error(item.record, item.error, at_ms=at_ms, service=SERVICE)
            DEAD_LETTERS.labels(letter.topic).inc()
            self._outbox.post(letter)

    # -- what the link tells (LinkOwner) -----------------------------------------------------------------------------

    def submit_answered(self, token: Segment, command_status: int, smsc_message_id: str | None) -> None:
        said = self._policy.said(command_status, smsc_message_id)
        self.submissions.answered(token.offset, said, now_ms())

    def submit_unknown(self, token: Segment) -> None:
        self.submissions.unknown(token.offset, now_ms())

    def late_response(self, token: Segment, command_status: int, smsc_message_id: str | None) -> None:
        """The outcome stands (Q15); what came is told to whoever reads the message's history."""
        parts = read_id(token.id)
        if parts is not None:
            self._outbox.post(
                self._events.out(
                    "late_response",
                    occurred_at_ms=now_ms(),
                    message_id=parts.message_id,
                    segment_index=parts.index,
                    attempt=parts.attempt,
                    route_no=parts.route_no,
                    connector_id=self.connector.id,
                    accepted_at_ms=token.accepted_at_ms,
                    command_status=command_status,
                    smsc_message_id=smsc_message_id or "",
                )
            )

    def delivered(self, connection: EsmeConnection, event: DeliverReceived) -> None:
        pdu = event.pdu
        if pdu.tlvs or event.defects:
            for defect in (*event.defects, *user_data_defects(pdu)):
                self.noticed(defect, f"in a {command_name(pdu.command_id)}, which is taken all the same")
        self._receiving.delivered(connection, event.sequence_number, pdu, self._receiver)

    def noticed(self, kind: str, detail: str) -> None:
        self._quirks.noticed(kind, detail, self._loop.time())

    def link_moved(self) -> None:
        self.advance()

    def link_down(self, reason: str) -> None:
        self.link = None
        self._on_link_down(reason)

    # -- answers to Kafka (Source) ------------------------------------------------------------------------------------

    def collect(self) -> Parcel | None:
        submissions = self.submissions
        answers = submissions.take_answers()
        if not answers:
            return None
        if submissions.answers:
            self._outbox.poke()
        origin = Origin(self.connector.id, self.tp.partition, submissions.journal.epoch, self._owner)
        out = answers_record(origin, answers)
        return Parcel([out], partial(self._settled, submissions, (out.topic, self.tp.partition), answers))

    def _settled(
        self, submissions: Submissions, place: tuple[str, int], answers: Sequence[Answer], offsets: Offsets
    ) -> None:
        submissions.settled(answers, offsets[place])
        self._on_claim()

    # -- commits -----------------------------------------------------------------------------------------------------

    def committed(self, point: Point) -> None:
        self.submissions.committed(point)
        self.advance()
