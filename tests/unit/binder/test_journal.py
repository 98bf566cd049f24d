"""Pure: claims, commits and answers of one partition."""

import pytest

from schemas.commit_marks import BinderMark
from services.binder.submit.journal import COMMIT_EVERY_S, SETTLE_EVERY_S, Journal, commit_due_s


def fresh(committed: int = 0, *, waiting: bool = False) -> Journal:
    return Journal(BinderMark(committed, 3, 7, 3), committed, waiting=waiting)


def commit(journal: Journal) -> tuple[int, BinderMark]:
    point = journal.to_commit()
    journal.committed(point)
    return point


@pytest.mark.parametrize(
    "mark", [BinderMark(0, 1, 0, 1), BinderMark(10**12, 10**6, 10**12, 10**6), BinderMark(5, 4, 3, 2)]
)
def test_a_mark_survives_its_text_in_less_than_100_bytes(mark: BinderMark) -> None:
    assert BinderMark.from_text(mark.to_text()) == mark
    assert len(mark.to_text()) < 100


@pytest.mark.parametrize(
    "text", ["", "x", "{}", "[]", "null", '{"L":1,"e":2}', '{"L":-1,"e":2,"f":3}', '{"L":"1","e":2,"f":3}']
)
def test_what_is_no_mark_is_none(text: str) -> None:
    assert BinderMark.from_text(text) is None


def test_claims_are_two_windows_at_most() -> None:
    journal = fresh()
    assert journal.room(5) == 10
    for offset in range(10):
        journal.claim(offset)
    assert journal.room(5) == 0
    journal.answered(3)
    assert journal.room(5) == 1


def test_a_commit_covers_claims_at_once_and_answers_when_kafka_has_them() -> None:
    journal = fresh()
    for offset in (0, 1, 4):  # 2 and 3 are transaction markers
        journal.claim(offset)
    pending = [journal.claims_pending]
    assert commit(journal) == (5, BinderMark(0, 3, 7, 3))
    assert [*pending, journal.claims_pending] == [True, False]
    assert journal.answered(1)
    assert journal.answered(0)
    journal.settled([0, 1], 12)
    assert commit(journal) == (5, BinderMark(4, 3, 13, 3)), "answers below L need not be found any more"
    assert not journal.commit_pending


def test_f_stays_where_answers_above_l_begin() -> None:
    journal = fresh()
    for offset in range(3):
        journal.claim(offset)
    journal.answered(2)
    journal.settled([2], 20)
    journal.answered(1)
    journal.settled([1], 21)
    assert journal.to_commit()[1] == BinderMark(0, 3, 20, 3)


def test_what_is_refused_is_passed_only_when_kafka_has_the_answer() -> None:
    journal = fresh()
    journal.refuse(0)
    journal.answered(0)
    assert not journal.claims_pending
    assert journal.to_commit()[0] == 0
    journal.settled([0], 9)
    assert journal.to_commit()[0] == 1


def test_markers_behind_the_last_record_are_passed_once_nothing_is_under_way() -> None:
    journal = fresh()
    journal.claim(0)
    commit(journal)
    journal.pass_markers(3)
    assert commit(journal)[0] == 1, "a segment is under way"
    journal.answered(0)
    journal.settled([0], 12)
    journal.pass_markers(3)
    journal.pass_markers(2)
    assert commit(journal) == (3, BinderMark(3, 3, 13, 3))
    assert journal.next_offset == 3
    assert journal.withdraw() == []
    assert journal.next_offset == 3


def test_a_waiting_owner_passes_no_markers() -> None:
    journal = fresh(waiting=True)
    journal.pass_markers(3)
    assert journal.to_commit()[0] == 0


def test_a_waiting_owner_leaves_the_mark_alone() -> None:
    journal = fresh(5, waiting=True)
    journal.refuse(5)
    journal.answered(5)
    journal.settled([5], 40)
    assert journal.to_commit() == (6, BinderMark(5, 3, 7, 3))


def test_an_answer_counts_once() -> None:
    journal = fresh()
    journal.claim(0)
    assert journal.answered(0)
    assert not journal.answered(0)
    assert not journal.answered(99)


def test_withdrawn_claims_are_read_again_and_their_answers_are_not_forgotten() -> None:
    journal = fresh()
    journal.claim(0)
    commit(journal)
    journal.refuse(1)
    journal.answered(1)
    journal.refuse(2)
    journal.answered(2)
    journal.claim(3)
    journal.settled([1], 30)
    assert journal.withdraw() == [3]
    assert journal.next_offset == 1
    assert journal.answered_elsewhere(1)
    assert journal.answered_elsewhere(2)
    assert not journal.answered_elsewhere(3)
    for offset in (1, 2):
        journal.pass_over(offset)
    journal.answered(0)
    journal.settled([0], 31)
    assert journal.to_commit()[0] == 2, "the answer of 2 is still on its way"
    journal.settled([2], 32)
    assert journal.to_commit()[0] == 3


@pytest.mark.parametrize(
    ("claims", "answers", "otp", "due"),
    [
        (False, False, False, None),
        (True, True, False, 9.995 + COMMIT_EVERY_S),
        (False, True, False, 9.995 + SETTLE_EVERY_S),
        (True, True, True, 10.0),
    ],
)
def test_when_to_commit(claims: bool, answers: bool, otp: bool, due: float | None) -> None:
    assert commit_due_s(10.0, 9.995, claims=claims, answers=answers, otp=otp) == due
