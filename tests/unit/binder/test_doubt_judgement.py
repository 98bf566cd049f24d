"""Pure: what a new owner makes of what the old one left."""

from typing import Literal

from schemas.commit_marks import BinderMark
from schemas.feedback import Answer, AnswerWord, Feedback
from services.binder.lease.doubt_judgement import DoubtJudgement, mark_of_unknown


def answers(epoch: int, *offsets: int, word: AnswerWord = "accepted") -> Feedback:
    told = [Answer(id=str(o), offset=o, outcome=word, answered_at_ms=0) for o in offsets]
    return Feedback(kind="answers", connector_id="c", partition=0, epoch=epoch, answers=told)


def other(kind: Literal["fence", "closed"], epoch: int) -> Feedback:
    return Feedback(kind=kind, connector_id="c", partition=0, epoch=epoch, closed=["m/0/0"])


def test_the_unanswered_of_the_claimed_are_in_doubt() -> None:
    judgement = DoubtJudgement(BinderMark(10, 1, 5, 1), 15)
    judgement.read(answers(1, 9, 10, 12), 5)
    judgement.read(other("closed", 0), 6)
    judgement.read(answers(1, 13), 7)
    assert judgement.mark == BinderMark(10, 2, 5, 1)
    assert judgement.doubtful(range(20)) == [11, 14]


def test_answers_of_an_older_epoch_behind_a_fence_are_void() -> None:
    judgement = DoubtJudgement(BinderMark(0, 2, 0, 1), 3)
    judgement.read(answers(1, 0), 0)
    judgement.read(other("fence", 2), 1)
    judgement.read(answers(1, 1), 2)
    judgement.read(answers(2, 2), 3)
    assert judgement.doubtful(range(3)) == [1]


def test_behind_the_last_fence_the_mark_alone_says_what_is_void() -> None:
    judgement = DoubtJudgement(BinderMark(0, 2, 50, 2), 2)
    judgement.read(answers(1, 0), 50)
    judgement.read(answers(2, 1), 51)
    assert judgement.doubtful(range(2)) == [0]


def test_the_journal_goes_on_where_the_judgement_ends() -> None:
    judgement = DoubtJudgement(BinderMark(0, 1, 0, 1), 3)
    judgement.read(answers(1, 0), 0)
    judgement.read(answers(1, 4, word="not_sent"), 1)
    doubtful = judgement.doubtful([0, 1, 2])
    journal = judgement.journal(doubtful, 2)
    assert journal.epoch == 2
    assert journal.next_offset == 3
    assert journal.answered_elsewhere(4)
    assert not journal.answered_elsewhere(3)
    assert journal.to_commit() == (3, BinderMark(1, 2, 1, 1)), (
        "the answer for 4 must still be found, under the old epoch"
    )
    for offset in doubtful:
        assert journal.answered(offset)
    journal.settled(doubtful, 3)
    journal.claim(3)
    journal.pass_over(4)
    journal.answered(3)
    journal.settled([3], 4)
    assert journal.to_commit() == (5, BinderMark(5, 2, 5, 2)), "behind the own fence older epochs are void"


def test_a_commit_of_somebody_else_leaves_nothing_to_judge() -> None:
    judgement = DoubtJudgement(mark_of_unknown(7, 4), 7)
    assert judgement.doubtful(range(10)) == []
    assert judgement.mark.epoch == 5
    assert judgement.mark.feedback_from == 0
