"""Edge: the segments of one partition go to its channel, and the answers to Kafka.

The path of a claim, all of it through this class:

    take            records of the partition wait in `PartitionSegments`
    advance         the lease says CLAIM: as many as there is room for are claimed, and the committer is woken
    to_commit       the committer takes "claimed up to X" with the claims of the other partitions of the process
    committed       Kafka has it: these segments are ready, and may be written
    _write          a ready segment goes to the channel, when the pace allows it and the process is alive
    answered        the channel reports what became of it (or `unknown`)
    collect         the outbox takes the answers for the feedback partition
    _settled        Kafka has them: the journal moves on, and the committer is woken
"""

import asyncio
import logging
import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from aiokafka import ConsumerRecord, TopicPartition

from schemas.gateway.connectors.common import CommonConnector
from schemas.lifecycle_events import ERROR_CODE_COLUMN
from schemas.wire import LANES
from services.binder.channel import Channel, Unsendable
from services.binder.context import BinderContext
from services.binder.lease.machine import Intent, Lease
from services.binder.outbox import FirstOffsets, Parcel
from services.binder.submit.committing import Point
from services.binder.submit.dispatch_record import DispatchedSegment, read_id
from services.binder.submit.feedback_record import Origin, Said, SegmentAnswer, answers_record
from services.binder.submit.journal import Journal
from services.binder.submit.pace import Pace
from services.binder.submit.partition_segments import PartitionSegments
from shared.kafka.records import dead_letter_of_error
from shared.messages.message_spans import SmscExchange
from shared.process.clock import monotonic_s, monotonic_us, now_ms
from shared.process.metrics import ACCEPT_TO_SOCKET_SECONDS
from shared.process.tracing import active

log = logging.getLogger(__name__)

SERVICE: Final = "binder"
_WAITED: Final = {str(lane): ACCEPT_TO_SOCKET_SECONDS.labels(lane) for lane in LANES}

QUEUE_HIGH: Final = 2000
"""Records read and not taken: with more, the partition is not fetched. The throttler's credits keep it far below."""

PAUSE_MS: Final = 4
"""Least time between two looks at the pace. Its lateness allowance makes up for it, timers of the event loop are good
to a millisecond at best, and what goes out in one write costs one system call."""

SENT_WITHIN_S: Final = 3.0
"""From the question whether segments may be written to the system call. A process that took longer was stopped: with a
heartbeat of 5 s before the question, others may soon have its work."""


class Submitter:
    """One partition's way to its channel and back. A source of the outbox, a journal of the committer.

    `lease` and the process are asked before every step. `channel` is set by whoever makes both.
    """

    channel: Channel

    def __init__(
        self, tp: TopicPartition, connector: CommonConnector, journal: Journal, lease: Lease, context: BinderContext
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.tp: Final = tp
        self.connector = connector
        self._lease = lease
        self._context = context
        self._process = context.process
        self._outbox = context.outbox
        self._committer = context.committer
        self._pace = Pace()
        self._pace_timer: asyncio.TimerHandle | None = None
        self.segments = PartitionSegments(journal)
        self._outbox.add(self)
        self._committer.add(self)

    def adopt(self, journal: Journal) -> None:
        """The partition was judged: go on with its new journal; what was read is read again."""
        self.segments = PartitionSegments(journal)

    def close(self) -> None:
        """Nothing more comes from here. While the partition stays ours its last answers are still to be committed."""
        self._outbox.remove(self)
        if not self._lease.may_commit:
            self._committer.remove(self)
        if self._pace_timer is not None:
            self._pace_timer.cancel()

    @property
    def idle(self) -> bool:
        """Whether every answer is on its way to Kafka."""
        return not self.segments.in_flight and not self.segments.answers

    # -- from Kafka to the channel ------------------------------------------------------------------------------------

    def take(self, records: Sequence[ConsumerRecord]) -> None:
        """New records of the partition."""
        self.segments.take(records)
        self.advance()

    def advance(self) -> None:
        """Do all that can be done now; called after everything that may have changed something."""
        segments, at_ms = self.segments, now_ms()
        if segments.queued and self._process.may_decide():
            intent = self._lease.intent()
            if intent is Intent.CLAIM:
                if segments.claim(self.connector.window, at_ms):
                    self._committer.wake()
            elif intent is Intent.REFUSE:
                segments.refuse_all(at_ms)
        if segments.has_ready and self._lease.may_claim:
            # What is claimed may be written while nobody can have taken this process for dead, also between the two
            # ends of a rebalance: the next owner waits for our `released`, or for our silence.
            asked_s = monotonic_s()  # before the question, or a sleep in between would go unnoticed
            if self._process.may_write():
                self._write(at_ms, asked_s)
        if segments.dead:
            self._bury(at_ms)
        if segments.answers:
            self._outbox.wake()

    def _write(self, at_ms: int, asked_s: float) -> None:
        if self._pace_timer is not None:
            return
        channel, segments, pace = self.channel, self.segments, self._pace
        free, written = channel.window_free, False
        while free > 0 and (segment := segments.next_ready(at_ms)) is not None:
            now_ns = monotonic_us() * 1000
            if wait_ns := pace.wait_ns(segment.spacing_us, now_ns):
                self._resume_in(wait_ns)
                break
            try:
                if not channel.submit(segment, at_ms):
                    break
            except Unsendable as error:
                segments.unsendable(error, at_ms)
                continue
            segments.began(at_ms)
            if segment.accepted_at_ms and (waited := _WAITED.get(segment.lane)) is not None:
                waited.observe((at_ms - segment.accepted_at_ms) / 1000)
            pace.went(segment.spacing_us, now_ns)
            free -= 1
            written = True
        if written:
            channel.flush(lambda: monotonic_s() - asked_s < SENT_WITHIN_S)

    def _resume_in(self, wait_ns: int) -> None:
        wait_ms = max(PAUSE_MS, math.ceil(wait_ns / 1_000_000))
        self._pace_timer = self._loop.call_later(wait_ms / 1000, self._on_pace)

    def _on_pace(self) -> None:
        self._pace_timer = None
        self.advance()

    def hand_back(self) -> None:
        """The bind is lost: what was not begun to be written was not sent."""
        self.segments.refuse_unbegun(now_ms())

    def _bury(self, at_ms: int) -> None:
        dead, self.segments.dead = self.segments.dead, []
        for item in dead:
            log.error("%s:%d offset %d is no dispatch: %s", self.tp.topic, self.tp.partition, item.offset, item.error)
            letter = dead_letter_of_error(item.record, item.error, at_ms=at_ms, service=SERVICE)
            self._outbox.post(letter)

    # -- commits (JournalOwner) ---------------------------------------------------------------------------------------

    @property
    def otp_waits(self) -> bool:
        return self.segments.otp_waits

    @property
    def claims_pending(self) -> bool:
        return self.segments.journal.claims_pending

    def to_commit(self) -> Point | None:
        journal = self.segments.journal
        return journal.to_commit() if self._lease.may_commit and journal.commit_pending else None

    def committed(self, point: Point) -> None:
        self.segments.committed(point)
        self.advance()

    # -- what the channel reports (Answers) ---------------------------------------------------------------------------

    def answered(self, segment: DispatchedSegment, said: Said) -> None:
        self._trace(segment, said.outcome)
        self.segments.answered(segment.offset, said, now_ms())

    def unknown(self, segment: DispatchedSegment) -> None:
        self._trace(segment, "outcome_unknown")
        self.segments.unknown(segment.offset, now_ms())

    def _trace(self, segment: DispatchedSegment, outcome: str) -> None:
        tracing = active()
        if tracing is not None and (parts := read_id(segment.id)) is not None:
            at_ms = now_ms()
            began_ms = self.segments.submitted_at_ms(segment.offset) or at_ms
            place = (parts.route_no, parts.index, parts.attempt)
            tracing.submitted(
                SmscExchange(parts.message_id, place, self.connector.id, outcome, began_ms, at_ms, segment.record)
            )

    def answered_late(self, segment: DispatchedSegment, said: Said) -> None:
        """The outcome stands (Q15); what came is told to whoever reads the message's history."""
        parts = read_id(segment.id)
        error: dict[str, Any] = {ERROR_CODE_COLUMN: said.error_code}
        if parts is not None:
            self._outbox.post(
                self._context.events.out(
                    "late_response",
                    occurred_at_ms=now_ms(),
                    message_id=parts.message_id,
                    segment_index=parts.index,
                    attempt=parts.attempt,
                    route_no=parts.route_no,
                    connector_id=self.connector.id,
                    accepted_at_ms=segment.accepted_at_ms,
                    smsc_message_id=",".join(said.smsc_message_ids or ()),
                    **error,
                )
            )

    # -- answers to Kafka (Source) ------------------------------------------------------------------------------------

    def collect(self) -> Parcel | None:
        segments = self.segments
        answers = segments.take_answers()
        if not answers:
            return None
        if segments.answers:
            self._outbox.wake()
        origin = Origin(self.connector.id, self.tp.partition, segments.journal.epoch, self._context.owner)
        out = answers_record(origin, answers)
        return Parcel([out], partial(self._settled, segments, (out.topic, self.tp.partition), answers))

    def _settled(
        self,
        segments: PartitionSegments,
        place: tuple[str, int],
        answers: Sequence[SegmentAnswer],
        offsets: FirstOffsets,
    ) -> None:
        segments.settled(answers, offsets[place])
        self._committer.wake()
