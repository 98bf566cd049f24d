"""Pure: the journal under crashes at any point: nothing is submitted twice, everything gets its answer.

The model is what survives a crash: the dispatch partition, the committed offset with its metadata, the feedback
partition, and what the SMSC was sent. A process (its `PartitionSegments`) is thrown away at any moment, between any two
effects; the next one begins from what survives, as `inheritance.py` does it.
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from schemas.commit_marks import BinderMark
from schemas.feedback import Feedback
from services.binder.lease.doubt_judgement import DoubtJudgement
from services.binder.smpp.status_policy import status_policy
from services.binder.submit.dispatch_record import read_dispatch
from services.binder.submit.feedback_record import Origin, SegmentAnswer, answers_record, fence_record
from services.binder.submit.journal import Journal
from services.binder.submit.partition_segments import PartitionSegments
from tests.integration.binder_rig import dispatch_record

WINDOW = 3
POLICY = status_policy({})
FIRST_MARK = BinderMark(0, 0, 0, 0)


@dataclass
class Record:
    """A consumed record, as far as the binder looks at it."""

    offset: int
    value: bytes | None
    topic: str = "mt.dispatch.c"
    partition: int = 0
    timestamp: int = 0
    key: bytes | None = None
    headers: list[tuple[str, bytes]] = field(default_factory=list)


def effective(feedback: list[Feedback]) -> dict[int, list[SegmentAnswer]]:
    """What the throttler makes of a feedback partition: answers by offset, older epochs behind a fence left out."""
    epoch, found = 0, {}  # type: ignore[var-annotated]  # a dict of lists, filled below
    for record in feedback:
        if record.kind == "fence":
            epoch = max(epoch, record.epoch)
        elif record.epoch >= epoch:
            for answer in record.answers:
                found.setdefault(answer.offset, []).append(answer)
    return found


class JournalMachine(RuleBasedStateMachine):
    """One partition, its owners one after another."""

    segments_class: type[PartitionSegments] = PartitionSegments

    def __init__(self) -> None:
        super().__init__()
        self.log: dict[int, Record] = {}
        self.end = 0
        self.serial = 0
        self.committed = 0
        self.mark_text = FIRST_MARK.to_text()
        self.feedback: list[Feedback] = []
        self.sent: dict[int, int] = {}
        self.owner = 0
        self.judging: DoubtJudgement | None = None
        self.judged = False
        self.pending_commit: tuple[int, BinderMark] | None = None
        self.taken: list[tuple[PartitionSegments, Origin, list[SegmentAnswer]]] = []
        self.pending_answers: list[tuple[PartitionSegments, list[SegmentAnswer], int]] = []
        self.segments = self.segments_class(Journal(FIRST_MARK, 0, waiting=True))
        self.position = 0

    # -- what survives ----------------------------------------------------------------------------------------------

    def append(self, out_value: bytes | None) -> int:
        assert out_value is not None
        self.feedback.append(Feedback.from_json(out_value))
        return len(self.feedback) - 1

    @initialize(count=st.integers(0, 6))
    def begin(self, count: int) -> None:
        self.takeover_begins()
        self.takeover_ends()
        self.dispatched(count, 0)

    @rule(count=st.integers(1, 6), gap=st.integers(0, 2))
    def dispatched(self, count: int, gap: int) -> None:
        """The throttler commits a transaction: records, and offsets taken by markers."""
        for _ in range(count):
            self.serial += 1
            self.log[self.end] = Record(self.end, dispatch_record(self.serial).to_json())
            self.end += 1
        self.end += gap

    # -- a process --------------------------------------------------------------------------------------------------

    @rule(count=st.integers(1, 8))
    def read(self, count: int) -> None:
        if self.judging is not None:
            return
        records = [self.log[o] for o in sorted(self.log) if o >= self.position][:count]
        self.segments.take(records)
        if records:
            self.position = records[-1].offset + 1

    @precondition(lambda self: self.judged)
    @rule()
    def claim(self) -> None:
        self.read(8)
        self.segments.claim(WINDOW, 0)

    @precondition(lambda self: self.judging is None)
    @rule()
    def refuse(self) -> None:
        self.read(2)
        self.segments.refuse_all(0)

    @precondition(lambda self: self.judging is None)
    @rule()
    def markers_are_passed(self) -> None:
        """Up to the next record, or to the end."""
        following = [offset for offset in self.log if offset >= self.position]
        self.segments.pass_markers(min(following, default=self.end))

    @precondition(lambda self: self.judging is None and self.pending_commit is None)
    @rule()
    def commit(self) -> None:
        """Kafka takes the commit; the process does not know it yet."""
        point = self.segments.journal.to_commit()
        self.pending_commit = point
        self.committed, self.mark_text = point[0], point[1].to_text()

    @precondition(lambda self: self.pending_commit is not None)
    @rule()
    def commit_acknowledged(self) -> None:
        assert self.pending_commit is not None
        self.segments.committed(self.pending_commit)
        self.pending_commit = None

    @precondition(lambda self: self.segments.has_ready)
    @rule(count=st.integers(1, 4))
    def write(self, count: int) -> None:
        for _ in range(count):
            segment = self.segments.next_ready(0)
            if segment is None or self.segments.in_flight >= WINDOW:
                return
            assert segment.offset < self.committed, "written before its claim was committed"
            self.segments.began(0)
            self.sent[segment.offset] = self.sent.get(segment.offset, 0) + 1

    @precondition(lambda self: self.judged and self.pending_commit is None)
    @rule(count=st.integers(1, 4))
    def all_the_way(self, count: int) -> None:
        """What usually happens, in one go: rare orders need the usual ones around them."""
        self.claim()
        self.commit()
        self.commit_acknowledged()
        self.write(count)

    @precondition(lambda self: self.segments.in_flight > 0)
    @rule(data=st.data(), status=st.sampled_from([0, 0, 0x58, 0x0B]), known=st.booleans())
    def smsc_answers(self, data: st.DataObject, status: int, known: bool) -> None:
        offset = data.draw(st.sampled_from(sorted(self.segments._in_flight)))
        if known:
            self.segments.answered(offset, POLICY.said(status, "id"), 0)
        else:
            self.segments.unknown(offset, 0)

    @rule()
    def link_is_lost(self) -> None:
        for offset in list(self.segments._in_flight):
            self.segments.unknown(offset, 0)
        self.segments.refuse_unbegun(0)

    @precondition(lambda self: self.segments.answers)
    @rule()
    def feedback_told(self) -> None:
        """The usual case of the three below."""
        self.feedback_taken()
        while self.taken:
            self.feedback_produced()
        while self.pending_answers:
            self.feedback_acknowledged()

    @precondition(lambda self: self.segments.answers)
    @rule()
    def feedback_taken(self) -> None:
        """A produce request is on its way."""
        origin = Origin("c", 0, self.segments.journal.epoch, str(self.owner))
        self.taken.append((self.segments, origin, self.segments.take_answers()))

    @precondition(lambda self: self.taken)
    @rule()
    def feedback_produced(self) -> None:
        """Kafka has the record; the process does not know it yet."""
        segments, origin, answers = self.taken.pop(0)
        at = self.append(answers_record(origin, answers).value)
        self.pending_answers.append((segments, answers, at))

    @precondition(lambda self: self.pending_answers)
    @rule()
    def feedback_acknowledged(self) -> None:
        segments, answers, at = self.pending_answers.pop(0)
        segments.settled(answers, at)

    @precondition(lambda self: self.judging is None)
    @rule(acknowledged=st.booleans())
    def rebalance_gives_it_back(self, acknowledged: bool) -> None:
        """Revoked and assigned to the same process; the last commit may or may not have been acknowledged."""
        if acknowledged and self.pending_commit is not None:
            self.segments.committed(self.pending_commit)
        self.pending_commit = None
        self.position = self.segments.withdraw()

    # -- crash and takeover -----------------------------------------------------------------------------------------

    @rule()
    def crash(self) -> None:
        """Nothing of the process survives; the next owner waits until it may bind, and refuses meanwhile."""
        self.owner += 1
        self.pending_commit, self.judging, self.judged = None, None, False
        self.taken.clear()
        self.pending_answers.clear()
        mark = BinderMark.from_text(self.mark_text)
        assert mark is not None
        assert len(self.mark_text) < 100
        self.segments = self.segments_class(Journal(mark, self.committed, waiting=True))
        self.position = self.committed

    @precondition(lambda self: not self.judged and self.judging is None and self.pending_commit is None)
    @rule()
    def takeover_begins(self) -> None:
        """All refusals of the waiting time are in Kafka, then the epoch is committed."""
        self.feedback_told()
        mark = BinderMark.from_text(self.mark_text)
        assert mark is not None
        self.judging = DoubtJudgement(mark, self.committed)
        self.mark_text = self.judging.mark.to_text()

    @precondition(lambda self: self.judging is not None)
    @rule()
    def takeover_ends(self) -> None:
        judging = self.judging
        assert judging is not None
        fence = self.append(fence_record(Origin("c", 0, judging.mark.epoch, str(self.owner))).value)
        for offset in range(judging.mark.feedback_from, fence):
            judging.read(self.feedback[offset], offset)
        claimed = {
            o: read_dispatch(r) for o, r in self.log.items() if judging.mark.answered_below <= o < self.committed
        }
        doubtful = judging.doubtful(sorted(claimed))
        self.segments = self.segments_class(judging.journal(doubtful, fence))
        self.segments.doubt([claimed[o] for o in doubtful], 0)
        self.position = self.committed
        self.judging, self.judged = None, True

    # -- what must hold ---------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_sent_twice(self) -> None:
        assert all(count == 1 for count in self.sent.values())

    @invariant()
    def answers_are_told_once(self) -> None:
        for offset, answers in effective(self.feedback).items():
            words = [a.outcome for a in answers]
            assert words == ["not_sent"] * len(words) or len(words) == 1, f"{offset}: {words}"
            if offset in self.sent:
                assert "not_sent" not in words, f"{offset} was sent, and handed back as not sent"

    def teardown(self) -> None:
        """In the end, with one more owner who refuses what is left, everything has its answer."""
        self.crash()
        self.takeover_begins()
        self.takeover_ends()
        self.read(len(self.log) + 1)
        self.refuse()
        self.feedback_told()
        self.nothing_is_sent_twice()
        self.answers_are_told_once()
        answers = effective(self.feedback)
        assert set(answers) == set(self.log)
        low, mark = self.segments.journal.to_commit()
        assert low == mark.answered_below, "all answered: nothing is left to judge"


machine_settings = settings(max_examples=150, stateful_step_count=50, deadline=None, report_multiple_bugs=False)


def test_the_journal_under_crashes() -> None:
    run_state_machine_as_test(JournalMachine, settings=machine_settings)


class TakesAnswersLightly(PartitionSegments):
    """Planted: what is answered counts as told before Kafka has the answer."""

    def take_answers(self) -> list[SegmentAnswer]:
        taken = super().take_answers()
        self.journal._settled.update(answer.offset for answer in taken)
        return taken


class WritesBeforeTheCommit(PartitionSegments):
    """Planted: what is claimed is ready at once."""

    def claim(self, window: int, at_ms: int) -> bool:
        claimed = super().claim(window, at_ms)
        self._ready.extend(self._claimed)
        self._claimed.clear()
        return claimed


class ForgetsRefusals(PartitionSegments):
    """Planted: after a rebalance, what was refused and not yet committed is taken again."""

    def withdraw(self) -> int:
        position = super().withdraw()
        self.journal._elsewhere.clear()
        return position


@pytest.mark.parametrize("planted", [WritesBeforeTheCommit, ForgetsRefusals, TakesAnswersLightly])
def test_planted_faults_are_caught(planted: type[PartitionSegments]) -> None:
    machine = type("Planted", (JournalMachine,), {"segments_class": planted})
    finding = settings(machine_settings, max_examples=1000, database=None, phases=[Phase.generate], print_blob=False)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=finding)
