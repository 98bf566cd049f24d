"""Pure: the reconciliation finds every kind of loss, duplicate and contradiction."""

from collections.abc import Mapping, Sequence

import pytest

from services.cli.reconcile import COMPLETE, Final, Published, Reconciliation, Submit, reconcile

ONE = "019f0000-0000-7000-8000-000000000001"
TWO = "019f0000-0000-7000-8000-000000000002"
PUBLISHED = (Published(ONE, "441"), Published(TWO, None))
SUBMITS = (Submit("441", 1, 2), Submit("441", 2, 2))
FINALS = (Final(ONE, "s1", "delivered", None, 2, 2), Final(TWO, "s2", "rejected", "unknown_account", 0, 0))
STORED = {ONE: ("delivered", True), TWO: ("rejected", True)}


def result(
    published: Sequence[Published] = PUBLISHED,
    dead_letters: tuple[int, int] = (1, 1),
    submits: Sequence[Submit] = SUBMITS,
    finals: Sequence[Final] = FINALS,
    stored: Mapping[str, tuple[str, bool]] = STORED,
) -> Reconciliation:
    return reconcile(published, dead_letters, submits, finals, stored)


def problems(found: Reconciliation) -> tuple[list[str], list[str], list[str]]:
    assert found.ok == (not (found.lost or found.duplicates or found.contradictions))
    return found.lost, found.duplicates, found.contradictions


def test_what_agrees_is_ok_and_counted() -> None:
    found = result()
    assert problems(found) == ([], [], [])
    assert (found.published, found.dead_letters, found.submits, found.stored, found.in_doubt) == (2, 1, 2, 2, 0)
    assert found.finals == {"delivered": 1, "rejected": 1}
    assert found.as_dict()["ok"] is True


def test_the_same_status_twice_is_no_duplicate() -> None:
    assert result(finals=(*FINALS, *FINALS)).ok


def test_a_message_without_a_final_status_is_lost() -> None:
    assert problems(result(finals=FINALS[1:])) == ([f"{ONE} has no final status"], [], [])


def test_two_final_statuses() -> None:
    other = Final(ONE, "s3", "receipt_missing", "receipt_deadline", 2, 0)
    expected = f"{ONE} has 2 final statuses: delivered, receipt_missing"
    assert problems(result(finals=(*FINALS, other))) == ([], [expected], [])


def test_a_segment_that_was_accepted_twice() -> None:
    assert problems(result(submits=(*SUBMITS, SUBMITS[1]))) == ([], [f"{ONE} segment 2 was accepted 2 times"], [])


@pytest.mark.parametrize("status", sorted(COMPLETE))
def test_a_complete_message_needs_all_its_segments(status: str) -> None:
    finals = (Final(ONE, "s1", status, None, 2, 0), FINALS[1])
    found = result(submits=SUBMITS[:1], finals=finals, stored={**STORED, ONE: (status, True)})
    assert problems(found) == ([], [], [f"{ONE} is {status}, needs 2 segments, and the SMSC accepted 1"])


@pytest.mark.parametrize(("delivered", "ok"), [(0, True), (1, True), (2, False)])
def test_a_message_that_ended_half_way_needs_what_was_delivered(delivered: int, ok: bool) -> None:
    finals = (Final(ONE, "s1", "partially_delivered", "smsc_refused", 3, delivered), FINALS[1])
    found = result(submits=SUBMITS[:1], finals=finals, stored={**STORED, ONE: ("partially_delivered", True)})
    assert found.ok == ok


def test_a_rejected_message_that_was_sent_all_the_same() -> None:
    finals = (Final(ONE, "s1", "rejected", "opted_out", 0, 0), FINALS[1])
    found = result(finals=finals, stored={**STORED, ONE: ("rejected", True)})
    assert problems(found) == ([], [], [f"{ONE} is rejected and yet was submitted"])


def test_clickhouse_must_say_the_same() -> None:
    assert problems(result(stored={TWO: STORED[TWO]}))[2] == [f"{ONE} is not in ClickHouse"]
    other = result(stored={**STORED, ONE: ("expired", True)})
    assert problems(other)[2] == [f"{ONE} is delivered, but expired in ClickHouse"]
    still_open = result(stored={**STORED, ONE: ("delivered", False)})
    assert problems(still_open)[2] == [f"{ONE} is delivered, but delivered (open) in ClickHouse"]


def test_nothing_comes_from_nowhere() -> None:
    stranger = Final("019f0000-0000-7000-8000-00000000000f", "s9", "delivered", None, 0, 0)
    found = result(submits=(*SUBMITS, Submit("499", 1, 1)), finals=(*FINALS, stranger))
    assert problems(found)[2] == [
        f"{stranger.message_id} was never published",
        "a submit_sm to 499 belongs to no published message",
    ]


def test_dead_letters_are_counted() -> None:
    assert problems(result(dead_letters=(2, 1)))[2] == ["2 dead letters were expected, there are 1"]


def test_in_doubt_is_counted_not_hidden_and_no_failure() -> None:
    finals = (Final(ONE, "s1", "outcome_unknown", "in_doubt", 2, 0), FINALS[1])
    found = result(submits=SUBMITS[:1], finals=finals, stored={**STORED, ONE: ("outcome_unknown", True)})
    assert (found.ok, found.in_doubt) == (True, 1)
