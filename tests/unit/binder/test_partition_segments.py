"""Pure: segments on their way through a bind."""

from schemas.commit_marks import BinderMark
from services.binder.submit.feedback_record import Said
from services.binder.submit.journal import Journal
from services.binder.submit.partition_segments import PartitionSegments
from tests.integration.binder_rig import dispatch_record
from tests.stateful.test_journal_machine import Record


def taken(count: int, *, elsewhere: tuple[int, ...] = (), **changes: object) -> PartitionSegments:
    journal = Journal(BinderMark(0, 1, 0, 1), 0, waiting=False)
    journal.inherit([], elsewhere, [])
    segments = PartitionSegments(journal)
    segments.take([Record(n, dispatch_record(n, **changes).to_json()) for n in range(count)])
    return segments


def committed(segments: PartitionSegments) -> None:
    segments.committed(segments.journal.to_commit())


def words(segments: PartitionSegments) -> list[tuple[int, str, str | None]]:
    return [(a.offset, a.outcome, a.reason) for a in segments.answers]


def test_nothing_is_ready_before_its_commit() -> None:
    segments = taken(5)
    assert segments.claim(1, 0)
    assert segments.next_ready(0) is None
    committed(segments)
    first = segments.next_ready(0)
    assert first is not None
    assert first.offset == 0
    assert segments.queued == 3, "two windows"


def test_q15_no_answer_is_outcome_unknown_and_a_late_one_changes_nothing() -> None:
    segments = taken(1)
    segments.claim(1, 0)
    committed(segments)
    assert segments.next_ready(5)
    segments.began(5)
    segments.unknown(0, 65)
    segments.answered(0, Said("accepted", smsc_message_ids=("late",)), 70)
    (answer,) = segments.answers
    assert (answer.outcome, answer.reason, answer.submitted_at_ms) == ("outcome_unknown", "no_submit_response", 5)


def test_answers_tell_status_id_and_times() -> None:
    segments = taken(2)
    segments.claim(2, 0)
    committed(segments)
    for _ in range(2):
        assert segments.next_ready(3)
        segments.began(3)
    segments.answered(1, Said("accepted", None, None, ("0AB",), ("ab",)), 4)
    segments.answered(0, Said("permanent", "0x0000000b", 0x0B), 5)
    one, two = segments.answers
    assert (one.offset, one.outcome, one.error_code, one.smsc_message_ids) == (1, "accepted", None, ("0AB",))
    assert one.join_ids == ("ab",)
    assert (one.submitted_at_ms, one.answered_at_ms) == (3, 4)
    assert (two.outcome, two.smsc_error, two.error_code, two.join_ids) == ("permanent", "0x0000000b", 0x0B, None)


def test_q27_accepted_without_an_id_is_accepted() -> None:
    segments = taken(1)
    segments.claim(1, 0)
    committed(segments)
    assert segments.next_ready(0)
    segments.began(0)
    segments.answered(0, Said("accepted"), 1)
    assert segments.answers[0].outcome == "accepted"


def test_past_its_validity_it_is_not_sent_whether_claimed_or_not() -> None:
    segments = taken(2, expires_at_ms=100)
    segments.claim(1, 50)
    committed(segments)
    assert segments.next_ready(100) is None
    assert words(segments) == [(0, "not_sent", "validity_passed"), (1, "not_sent", "validity_passed")]
    again = taken(1, expires_at_ms=100)
    again.claim(1, 100)
    assert words(again) == [(0, "not_sent", "validity_passed")]


def test_what_lay_there_before_the_bind_is_refused_and_the_rest_claimed() -> None:
    segments = taken(4)
    segments.refuse_below = 2
    segments.claim(5, 0)
    assert words(segments) == [(0, "not_sent", "no_link"), (1, "not_sent", "no_link")]
    committed(segments)
    ready = segments.next_ready(0)
    assert ready is not None
    assert ready.offset == 2


def test_a_lost_link_hands_back_what_was_not_begun() -> None:
    segments = taken(6)
    segments.claim(2, 0)
    committed(segments)
    assert segments.next_ready(0)
    segments.began(0)
    segments.refuse_unbegun(1)
    assert words(segments) == [(n, "not_sent", "no_link") for n in (1, 2, 3)]
    assert segments.in_flight == 1
    segments.refuse_all(1)
    assert len(segments.answers) == 5


def test_what_was_answered_elsewhere_is_passed_over() -> None:
    segments = taken(3, elsewhere=(1,))
    segments.claim(5, 0)
    committed(segments)
    offsets = []
    while (segment := segments.next_ready(0)) is not None:
        offsets.append(segment.offset)
        segments.began(0)
    assert offsets == [0, 2]


def test_records_read_twice_are_taken_once() -> None:
    segments = taken(2)
    segments.take([Record(n, dispatch_record(n).to_json()) for n in range(3)])
    assert segments.queued == 3


def test_an_otp_is_urgent_until_it_is_committed() -> None:
    segments = taken(1, lane="otp")
    segments.claim(1, 0)
    assert segments.otp_waits
    committed(segments)
    assert not segments.otp_waits


def test_the_unreadable_is_buried_with_an_answer() -> None:
    segments = taken(0)
    segments.take([Record(0, b"{"), Record(1, None)])
    segments.claim(1, 0)
    assert words(segments) == [(0, "permanent", "invalid_record"), (1, "permanent", "invalid_record")]
    assert [item.offset for item in segments.dead] == [0, 1]


def test_answers_come_in_records_of_limited_size() -> None:
    segments = taken(1200)
    segments.refuse_all(0)
    assert [len(segments.take_answers()) for _ in range(4)] == [500, 500, 200, 0]
