"""Pure: the reconciliation finds every kind of loss, duplicate and contradiction."""

from collections.abc import Mapping, Sequence

import pytest

from schemas.topics import MT_REQUESTS, MT_REQUESTS_OTP, MT_SUBMISSIONS, dlq_of
from services.cli.demo.reconcile import COMPLETE, Published, Reconciliation, Submit, Told, reconcile

ONE = "019f0000-0000-7000-8000-000000000001"
TWO = "019f0000-0000-7000-8000-000000000002"
PUBLISHED = (Published(ONE, "441"), Published(TWO, None))
SUBMITS = (Submit("441", 1, 2), Submit("441", 2, 2))


def final(message_id: str, status_id: str, status: str, reason: str | None, segments: int, delivered: int) -> Told:
    return Told(message_id, status_id, status, True, reason, segments, delivered, hash((status, reason)))


def step(message_id: str, status: str) -> Told:
    return Told(message_id, f"{message_id}-{status}", status, False, None, 0, 0, hash(status))


FINALS = (final(ONE, "s1", "delivered", None, 2, 2), final(TWO, "s2", "rejected", "unknown_account", 0, 0))
STORED = {ONE: ("delivered", True), TWO: ("rejected", True)}


def result(
    published: Sequence[Published] = PUBLISHED,
    dead_letters: tuple[int, Mapping[str, int]] = (1, {dlq_of(MT_REQUESTS): 1}),
    submits: Sequence[Submit] = SUBMITS,
    finals: Sequence[Told] = FINALS,
    stored: Mapping[str, tuple[str, bool]] = STORED,
) -> Reconciliation:
    return reconcile(published, dead_letters, submits, finals, stored)


def problems(found: Reconciliation) -> tuple[list[str], list[str], list[str]]:
    assert found.ok == (not (found.lost or found.duplicates or found.contradictions))
    return found.lost, found.duplicates, found.contradictions


def test_what_agrees_is_ok_and_counted() -> None:
    found = result()
    assert problems(found) == ([], [], [])
    assert (found.published, found.dead_letters, found.submits, found.stored, found.unknown) == (2, 1, 2, 2, {})
    assert found.finals == {"delivered": 1, "rejected": 1}
    assert found.as_dict()["ok"] is True


def test_the_same_status_twice_is_no_duplicate() -> None:
    assert result(finals=(*FINALS, *FINALS)).ok


def test_a_message_without_a_final_status_is_lost() -> None:
    assert problems(result(finals=FINALS[1:])) == ([f"{ONE} has no final status"], [], [])


def test_two_final_statuses() -> None:
    other = final(ONE, "s3", "receipt_missing", "receipt_deadline", 2, 0)
    expected = f"{ONE} has 2 final statuses: delivered, receipt_missing"
    assert problems(result(finals=(*FINALS, other))) == ([], [expected], [])


def test_a_segment_that_was_accepted_twice() -> None:
    assert problems(result(submits=(*SUBMITS, SUBMITS[1]))) == ([], [f"{ONE} segment 2 was accepted 2 times"], [])


@pytest.mark.parametrize("status", sorted(COMPLETE))
def test_a_complete_message_needs_all_its_segments(status: str) -> None:
    finals = (final(ONE, "s1", status, None, 2, 0), FINALS[1])
    asked = (Published(ONE, "441", "none" if status == "submitted" else "final"), PUBLISHED[1])
    found = result(asked, submits=SUBMITS[:1], finals=finals, stored={**STORED, ONE: (status, True)})
    assert problems(found) == ([], [], [f"{ONE} is {status}, needs 2 segments, and the SMSC accepted 1"])


@pytest.mark.parametrize(("delivered", "ok"), [(0, True), (1, True), (2, False)])
def test_a_message_that_ended_half_way_needs_what_was_delivered(delivered: int, ok: bool) -> None:
    finals = (final(ONE, "s1", "partially_delivered", "smsc_refused", 3, delivered), FINALS[1])
    found = result(submits=SUBMITS[:1], finals=finals, stored={**STORED, ONE: ("partially_delivered", True)})
    assert found.ok == ok


def test_a_rejected_message_that_was_sent_all_the_same() -> None:
    finals = (final(ONE, "s1", "rejected", "opted_out", 0, 0), FINALS[1])
    found = result(finals=finals, stored={**STORED, ONE: ("rejected", True)})
    assert problems(found) == ([], [], [f"{ONE} is rejected and yet was submitted"])


def test_clickhouse_must_say_the_same() -> None:
    assert problems(result(stored={TWO: STORED[TWO]}))[2] == [f"{ONE} is not in ClickHouse"]
    other = result(stored={**STORED, ONE: ("expired", True)})
    assert problems(other)[2] == [f"{ONE} is delivered, but expired in ClickHouse"]
    still_open = result(stored={**STORED, ONE: ("delivered", False)})
    assert problems(still_open)[2] == [f"{ONE} is delivered, but delivered (open) in ClickHouse"]


def test_nothing_comes_from_nowhere() -> None:
    stranger = final("019f0000-0000-7000-8000-00000000000f", "s9", "delivered", None, 0, 0)
    found = result(submits=(*SUBMITS, Submit("499", 1, 1)), finals=(*FINALS, stranger))
    assert problems(found)[2] == [
        f"{stranger.message_id} was never published",
        "a submit_sm to 499 belongs to no published message",
    ]


def test_dead_letters_of_requests_are_counted() -> None:
    both = {dlq_of(MT_REQUESTS): 1, dlq_of(MT_REQUESTS_OTP): 2}
    assert result(dead_letters=(3, both)).dead_letters == 3
    assert problems(result(dead_letters=(2, both)))[2] == ["2 dead letters were expected, there are 3"]


def test_dead_letters_of_our_own_records_are_never_right() -> None:
    found = result(dead_letters=(1, {dlq_of(MT_REQUESTS): 1, dlq_of(MT_SUBMISSIONS): 2}))
    assert found.dead_letters == 1
    assert problems(found)[2] == ["mt.submissions.dlq has 2 dead letters, and should have none"]


@pytest.mark.parametrize("reason", ["in_doubt", "no_submit_response"])
def test_an_unknown_outcome_is_counted_by_reason_and_no_failure(reason: str) -> None:
    finals = (final(ONE, "s1", "outcome_unknown", reason, 2, 0), FINALS[1])
    found = result(submits=SUBMITS[:1], finals=finals, stored={**STORED, ONE: ("outcome_unknown", True)})
    assert (found.ok, found.unknown) == (True, {reason: 1})


def test_a_repeat_that_says_something_else() -> None:
    again = final(ONE, "s1", "delivered", "smsc_refused", 2, 2)
    expected = [f"{ONE} was told delivered twice, and not the same each time"]
    assert problems(result(finals=(*FINALS, again))) == ([], [], expected)


def test_steps_are_told_where_they_were_asked_for() -> None:
    asked = (Published(ONE, "441", "all"), PUBLISHED[1])
    steps = [step(ONE, word) for word in ("accepted", "queued", "submitted")]
    assert result(asked, finals=(*steps, *FINALS)).ok
    assert problems(result(asked, finals=(*steps[:2], *FINALS)))[2] == [f"{ONE} was never told submitted"]
    assert problems(result(finals=(*steps[:1], *FINALS)))[2] == [f"{ONE} did not ask for steps and was told accepted"]


@pytest.mark.parametrize(("receipt", "status"), [("none", "delivered"), ("final", "submitted"), ("all", "submitted")])
def test_an_end_that_was_not_asked_for(receipt: str, status: str) -> None:
    asked = (Published(ONE, "441", receipt), PUBLISHED[1])
    steps = [step(ONE, word) for word in ("accepted", "queued", "submitted") if receipt == "all"]
    finals = (*steps, final(ONE, "s1", status, None, 2, 2), FINALS[1])
    found = result(asked, finals=finals, stored={**STORED, ONE: (status, True)})
    assert problems(found)[2] == [f"{ONE} asked for receipt {receipt} and ended as {status}"]


KEYED = (Published(ONE, "441", copies=(TWO,)),)


def test_copies_under_one_key_end_once_and_the_others_are_repeats() -> None:
    assert result(KEYED, finals=FINALS[:1], stored={ONE: ("delivered", True)}).ok
    second = final(TWO, "s2", "delivered", None, 2, 2)
    assert result(KEYED, finals=[second], stored={TWO: ("delivered", True)}).ok
    assert problems(result(KEYED, finals=(), stored={})) == ([f"{ONE} has no final status"], [], [])


def test_a_copy_may_have_been_rejected_before_another_was_taken() -> None:
    assert result(KEYED, finals=FINALS, stored=STORED).ok
    assert problems(result(KEYED, finals=FINALS, stored={ONE: STORED[ONE]}))[2] == [f"{TWO} is not in ClickHouse"]
    rejected = (final(ONE, "s1", "rejected", "unknown_account", 0, 0), FINALS[1])
    both = result(KEYED, finals=rejected, stored={ONE: ("rejected", True), TWO: ("rejected", True)})
    assert problems(both)[2] == [f"{ONE} is rejected and yet was submitted"]


def test_two_copies_that_were_both_taken() -> None:
    second = final(TWO, "s2", "outcome_unknown", "in_doubt", 2, 0)
    found = result(KEYED, finals=(FINALS[0], second), stored={ONE: STORED[ONE], TWO: ("outcome_unknown", True)})
    expected = f"{ONE} (delivered) and {TWO} (outcome_unknown) have one idempotency key"
    assert problems(found) == ([], [expected], [])
