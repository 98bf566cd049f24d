"""Pure: the journal of one dispatch partition, kept in its offset commit.

Theory. An effect at the SMSC cannot be undone, so "claimed up to X" is committed before the first octet of a segment
below X is written to a socket. Offsets of a partition, from left to right:

    answered, and the answers are in Kafka | claimed: written, answered or waiting | never touched
                                           L                                       X

X is the committed offset. Its metadata text says L, the binder's epoch `e`, and `f`: every answer for an offset >= L is
in the feedback partition at `f` or behind it. Whoever takes over reads the feedback from `f` and knows what became of
[L, X) as far as anybody does (`lease/doubt_judgement.py`). A process that dies between commit and write leaves segments
in doubt that were never sent: the price of never sending one twice.

Offsets are not dense (transaction markers take some), so an end is always "offset + 1 of the last record".
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from schemas.commit_marks import BinderMark

COMMIT_EVERY_S: Final = 0.02
"""Least time between two commits of a process, unless an OTP waits: what waits for one is at most so late."""

SETTLE_EVERY_S: Final = 1.0
"""How soon answers alone (no new claims) are committed: they only spare a successor some reading."""

WINDOWS_CLAIMED: Final = 2
"""Claimed and unanswered segments per bind, in windows: one on the wire and one ready, so that an answer is followed by
the next submit without waiting for a commit."""


class Journal:
    """What is claimed, answered and committed of one partition by its owner.

    Life of an offset: `claim` -> (commit) -> `committed` says that it may be written -> `answered` (the answer is
    known) -> `settled` (the answer is in Kafka). `refuse` takes one only to answer it at once; it is committed when the
    answer is in Kafka, so a crash before leaves it to the successor, not in doubt. Offsets are taken in rising order.
    `waiting` is the journal of an owner who may not bind yet: it only refuses, and its commits leave L, epoch and f as
    they are: they are the old owner's.
    """

    __slots__ = (
        "_answers",
        "_claimed",
        "_committed",
        "_elsewhere",
        "_feedback_end",
        "_mark",
        "_on_the_way",
        "_order",
        "_own_from",
        "_passed",
        "_settled",
        "_told",
        "_unanswered",
        "_waiting",
        "_wanted",
        "epoch",
    )

    def __init__(self, mark: BinderMark, committed: int, *, waiting: bool, own_from: int | None = None) -> None:
        """`own_from`: where this epoch's fence stands in the feedback partition (an owner who has judged)."""
        self.epoch: Final = mark.epoch
        self._mark = mark
        self._waiting = waiting
        self._own_from = mark.feedback_from if own_from is None else own_from
        self._feedback_end = max(mark.feedback_from, self._own_from)
        self._committed = committed
        self._claimed = committed
        self._wanted = committed
        self._passed = 0
        self._order: deque[int] = deque()
        self._unanswered: set[int] = set()
        self._settled: set[int] = set()
        self._answers: deque[tuple[int, int]] = deque()
        self._elsewhere: set[int] = set()
        self._on_the_way: set[int] = set()
        self._told: tuple[int, BinderMark] | None = None

    # -- what a judgement leaves ------------------------------------------------------------------------------------

    def inherit(self, doubtful: Iterable[int], elsewhere: Iterable[int], answers: Iterable[tuple[int, int]]) -> None:
        """Begin after a judgement: `doubtful` offsets are claimed and have no answer yet; `elsewhere` are offsets at or
        above X that have one already; `answers` are (feedback offset, greatest dispatch offset answered there).
        """
        for offset in sorted(doubtful):
            self._order.append(offset)
            self._unanswered.add(offset)
        self._elsewhere.update(elsewhere)
        self._answers.extend(answers)

    def answered_elsewhere(self, offset: int) -> bool:
        """Whether a record that is not taken has its answer all the same: it must only be passed over."""
        return offset in self._elsewhere or offset in self._on_the_way

    # -- claims -----------------------------------------------------------------------------------------------------

    @property
    def unanswered(self) -> int:
        """Claimed segments without an answer."""
        return len(self._unanswered)

    def room(self, window: int) -> int:
        """How many more may be claimed."""
        return max(0, WINDOWS_CLAIMED * window - len(self._unanswered))

    def claim(self, offset: int) -> None:
        """The next record is taken, to be submitted once that is committed."""
        self.refuse(offset)
        self._wanted = offset + 1

    def refuse(self, offset: int) -> None:
        """The next record is taken, to be answered without a submit."""
        self._order.append(offset)
        self._unanswered.add(offset)
        self._claimed = offset + 1

    def pass_over(self, offset: int) -> None:
        """The next record was answered elsewhere, so nothing is left to do, except to wait until that answer is in
        Kafka.
        """
        self._order.append(offset)
        self._claimed = offset + 1
        if offset in self._on_the_way:
            self._on_the_way.discard(offset)
        else:
            self._elsewhere.discard(offset)
            self._settled.add(offset)

    def pass_markers(self, position: int) -> None:
        """No record lies before `position` that was not taken: behind the last one are markers of transactions. An
        owner who has judged, and has nothing under way, commits so far, before Kafka deletes them with the records.
        """
        self._advance()
        if not self._waiting and not self._order and position > self._claimed:
            self._claimed = self._passed = position

    @property
    def next_offset(self) -> int:
        """Where the next record to take is looked for: reading goes on here after a rebalance."""
        return self._claimed

    # -- commits ----------------------------------------------------------------------------------------------------

    @property
    def claims_pending(self) -> bool:
        """Whether something waits for a commit to be written to a socket."""
        return self._wanted > self._committed

    @property
    def commit_pending(self) -> bool:
        """Whether a commit would say anything new."""
        return self.to_commit() != self._told

    def to_commit(self) -> tuple[int, BinderMark]:
        """Offset and mark to commit now."""
        self._advance()
        low = self._order[0] if self._order else self._claimed
        return max(self._wanted, low), self._mark if self._waiting else self._current_mark(low)

    def committed(self, point: tuple[int, BinderMark]) -> int:
        """Kafka acknowledged `point`; returns the offset below which claims may be written to a socket."""
        self._told = point
        self._committed = max(self._committed, point[0])
        while self._answers and self._answers[0][1] < point[1].answered_below:
            self._answers.popleft()
        return self._committed

    @property
    def committed_up_to(self) -> int:
        """X as Kafka has it."""
        return self._committed

    def withdraw(self) -> list[int]:
        """Give back what was taken and not committed; returns the claims among it, which were never written.

        What has its answer stays answered (`answered_elsewhere`): it will be read again.
        """
        dropped = []
        while self._order and self._order[-1] >= self._committed:
            offset = self._order.pop()
            if offset in self._unanswered:
                self._unanswered.discard(offset)
                dropped.append(offset)
            elif offset in self._settled:
                self._settled.discard(offset)
                self._elsewhere.add(offset)
            else:
                self._on_the_way.add(offset)
        self._claimed = max(self._committed, self._passed)
        self._wanted = self._committed
        return dropped[::-1]

    def _current_mark(self, low: int) -> BinderMark:
        start = next((place for place, highest in self._answers if highest >= low), self._feedback_end)
        oldest = self.epoch if start >= self._own_from else self._mark.oldest_epoch
        return BinderMark(low, self.epoch, start, oldest)

    def _advance(self) -> None:
        order, settled = self._order, self._settled
        while order and order[0] in settled:
            offset = order.popleft()
            settled.discard(offset)
            self._passed = offset + 1

    # -- answers ----------------------------------------------------------------------------------------------------

    def answered(self, offset: int) -> bool:
        """The answer of a claimed segment is known. False when it had one already: the second must not be told."""
        if offset not in self._unanswered:
            return False
        self._unanswered.discard(offset)
        return True

    def settled(self, offsets: Sequence[int], feedback_offset: int) -> None:
        """The answers for `offsets` are in Kafka, in the record at `feedback_offset`; told in rising order of it."""
        if not offsets:
            return
        for offset in offsets:
            if offset in self._on_the_way:
                self._on_the_way.discard(offset)
                self._elsewhere.add(offset)
            else:
                self._settled.add(offset)
        self._answers.append((feedback_offset, max(offsets)))
        self._feedback_end = max(self._feedback_end, feedback_offset + 1)


def commit_due_s(now_s: float, last_s: float, *, claims: bool, answers: bool, otp: bool) -> float | None:
    """When the process's next commit is due: at once when an OTP waits for it, after `COMMIT_EVERY_S` for other claims,
    after `SETTLE_EVERY_S` when there are only answers; None = no commit. `last_s` is when the last one began.
    """
    if otp:
        return now_s
    if claims:
        return max(now_s, last_s + COMMIT_EVERY_S)
    if answers:
        return max(now_s, last_s + SETTLE_EVERY_S)
    return None
