"""Pure: the segments of one dispatch partition on their way through a bind.

    read -> queue -> claimed (its commit is on the way) -> ready (may be written) -> in flight -> answered
                 \\-> refused: answered without a submit (no link, past its validity, unreadable)

The journal keeps the same in numbers, for whoever comes after a crash; here are the segments themselves. Answers are
collected in `answers` until they are written to the feedback partition. Times are wall-clock milliseconds.
"""

from collections import deque
from collections.abc import Iterable, Sequence

from schemas.commit_marks import BinderMark
from services.binder.submit.dispatch_record import DispatchedSegment, Unreadable, read_dispatch
from services.binder.submit.feedback_record import (
    ANSWERS_MAX,
    EXPIRED,
    IN_DOUBT,
    NO_LINK,
    NO_RESPONSE,
    UNREADABLE,
    Said,
    SegmentAnswer,
)
from services.binder.submit.journal import Journal
from shared.kafka.records import In


class PartitionSegments:
    """One partition's segments and their journal, from assignment to the last answer."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.answers: list[SegmentAnswer] = []
        self.dead: list[Unreadable] = []
        self.refuse_below: int = 0
        """Records below were dispatched before this bind was announced: they are refused, and come again."""
        self._expected = journal.next_offset
        self._queue: deque[DispatchedSegment | Unreadable] = deque()
        self._claimed: deque[DispatchedSegment] = deque()
        self._ready: deque[DispatchedSegment] = deque()
        self._in_flight: dict[int, tuple[DispatchedSegment, int]] = {}

    # -- reading ----------------------------------------------------------------------------------------------------

    def take(self, records: Iterable[In]) -> None:
        """Records of the partition, in order; what was read before is passed over."""
        for record in records:
            if record.offset >= self._expected:
                self._expected = record.offset + 1
                self._queue.append(read_dispatch(record))

    def pass_markers(self, position: int) -> None:
        """All records before `position` were given to `take`."""
        if not self._queue:
            self.journal.pass_markers(position)
            self._expected = max(self._expected, self.journal.next_offset)

    @property
    def queued(self) -> int:
        """Read and not yet taken."""
        return len(self._queue)

    @property
    def otp_waits(self) -> bool:
        """Whether an OTP is among what waits for its commit."""
        return any(segment.otp for segment in self._claimed)

    @property
    def has_ready(self) -> bool:
        """Whether something may be written."""
        return bool(self._ready)

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    # -- taking -----------------------------------------------------------------------------------------------------

    def claim(self, window: int, at_ms: int) -> bool:
        """Claim what there is room for; False when there was nothing. Nothing may be written before `committed`."""
        room = self.journal.room(window)
        before = len(self._claimed)
        while self._queue and room > 0:
            item = self._queue.popleft()
            if (
                isinstance(item, DispatchedSegment)
                and not self._must_refuse(item, at_ms)
                and not self._is_answered(item.offset)
            ):
                self.journal.claim(item.offset)
                self._claimed.append(item)
                room -= 1
            else:
                self._refuse(item, at_ms)
        return len(self._claimed) > before

    def refuse_all(self, at_ms: int) -> None:
        """There is no bound link: answer everything that waits unclaimed with `not_sent`."""
        while self._queue:
            self._refuse(self._queue.popleft(), at_ms)

    def refuse_unbegun(self, at_ms: int) -> None:
        """The link or the partition is lost: the same for what is claimed and was not begun to be written."""
        for waiting in (self._ready, self._claimed):
            while waiting:
                self._answer_not_sent(waiting.popleft(), at_ms, NO_LINK)

    def _is_answered(self, offset: int) -> bool:
        return self.journal.answered_elsewhere(offset)

    def _must_refuse(self, segment: DispatchedSegment, at_ms: int) -> bool:
        return segment.expires_at_ms <= at_ms or segment.offset < self.refuse_below

    def _refuse(self, item: DispatchedSegment | Unreadable, at_ms: int) -> None:
        if self._is_answered(item.offset):
            self.journal.pass_over(item.offset)
            return
        self.journal.refuse(item.offset)
        if isinstance(item, Unreadable):
            self._bury(item, at_ms)
        else:
            self._answer_not_sent(item, at_ms, EXPIRED if item.expires_at_ms <= at_ms else NO_LINK)

    def _bury(self, item: Unreadable, at_ms: int) -> None:
        self.dead.append(item)
        self._answer(SegmentAnswer(item.id, item.offset, "permanent", at_ms, UNREADABLE))

    # -- commits ----------------------------------------------------------------------------------------------------

    def committed(self, point: tuple[int, BinderMark]) -> None:
        """Kafka acknowledged the commit of `point`: what it covers may be written."""
        below = self.journal.committed(point)
        while self._claimed and self._claimed[0].offset < below:
            self._ready.append(self._claimed.popleft())

    def withdraw(self) -> int:
        """A rebalance: forget what was read and what was not committed; returns where reading goes on."""
        self.journal.withdraw()
        self._claimed.clear()
        self._queue.clear()
        self._expected = self.journal.next_offset
        return self._expected

    # -- submitting -------------------------------------------------------------------------------------------------

    def next_ready(self, at_ms: int) -> DispatchedSegment | None:
        """The segment to write next, which stays where it is until `began`; those past their validity are refused."""
        ready = self._ready
        while ready:
            if ready[0].expires_at_ms > at_ms:
                return ready[0]
            self._answer_not_sent(ready.popleft(), at_ms, EXPIRED)
        return None

    def began(self, at_ms: int) -> None:
        """The segment that `next_ready` returned is handed to the session."""
        segment = self._ready.popleft()
        self._in_flight[segment.offset] = (segment, at_ms)

    def unsendable(self, error: Exception, at_ms: int) -> None:
        """The segment that `next_ready` returned cannot be framed; nothing was written."""
        segment = self._ready.popleft()
        self._bury(Unreadable(segment.offset, segment.id, segment.record, error), at_ms)

    def answered(self, offset: int, said: Said, at_ms: int) -> None:
        """The other side answered the submit of `offset`."""
        found = self._in_flight.pop(offset, None)
        if found is None:
            return
        segment, submitted_at_ms = found
        self._answer(
            SegmentAnswer(
                segment.id,
                offset,
                said.outcome,
                at_ms,
                None,
                said.smsc_error,
                said.error_code,
                said.smsc_message_ids,
                said.join_ids,
                submitted_at_ms,
            )
        )

    def unknown(self, offset: int, at_ms: int) -> None:
        """The submit of `offset` has no answer and will have none (Q15): it may have been sent."""
        found = self._in_flight.pop(offset, None)
        if found is not None:
            segment, submitted_at_ms = found
            self._answer(
                SegmentAnswer(
                    segment.id, offset, "outcome_unknown", at_ms, NO_RESPONSE, submitted_at_ms=submitted_at_ms
                )
            )

    def doubt(self, items: Sequence[DispatchedSegment | Unreadable], at_ms: int) -> None:
        """What a judgement found claimed by an earlier owner and unanswered."""
        for item in items:
            self._answer(SegmentAnswer(item.id, item.offset, "outcome_unknown", at_ms, IN_DOUBT))

    def submitted_at_ms(self, offset: int) -> int | None:
        """When a segment that has no answer yet was written."""
        found = self._in_flight.get(offset)
        return found[1] if found else None

    # -- answers ----------------------------------------------------------------------------------------------------

    def take_answers(self) -> list[SegmentAnswer]:
        """The answers for one feedback record, taken out."""
        taken, self.answers = self.answers[:ANSWERS_MAX], self.answers[ANSWERS_MAX:]
        return taken

    def settled(self, answers: Sequence[SegmentAnswer], feedback_offset: int) -> None:
        """Kafka acknowledged the feedback record with `answers`."""
        self.journal.settled([answer.offset for answer in answers], feedback_offset)

    def _answer_not_sent(self, segment: DispatchedSegment, at_ms: int, reason: str) -> None:
        self._answer(SegmentAnswer(segment.id, segment.offset, "not_sent", at_ms, reason))

    def _answer(self, answer: SegmentAnswer) -> None:
        if self.journal.answered(answer.offset):
            self.answers.append(answer)
