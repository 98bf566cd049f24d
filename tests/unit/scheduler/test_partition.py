"""Pure: what becomes of a message that waits."""

import orjson
import pytest

from schemas.scheduled import ScheduledMessage
from schemas.statuses import Status
from schemas.topics import WAITING
from schemas.waiting import WaitingEntry
from services.scheduler.entries import GONE_KEEP_MS
from tests.unit.scheduler.making import DUE_MS, HOUR_MS, Record, events, message_id, partition, scheduled, values, words
from tests.unit.submissions import AT_MS

TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ENOUGH = 100


def test_a_message_waits_until_its_time_and_goes_once() -> None:
    one = partition()
    message = scheduled(metadata={"a": "b"})
    one.take(Record(message.to_json(), headers=(("traceparent", TRACE), ("other", b"x"))), AT_MS)
    outs = one.flush()
    assert words(outs) == ["scheduled"]
    assert {out.partition for out in outs if out.topic == "scheduler.waiting"} == {0}
    (told,) = events(outs)
    assert (told["deadline_at_ms"], told["reason"], told["account_id"]) == (DUE_MS, "send_at", "shop")
    assert one.next_due_ms() == DUE_MS
    assert one.wake(DUE_MS - 1, DUE_MS - 1, ENOUGH) == 0
    assert one.flush() == []
    one.wake(DUE_MS, DUE_MS, ENOUGH)
    outs = one.flush()
    (due,) = [out for out in outs if out.topic == "mt.due"]
    assert ScheduledMessage.from_json(due.value or b"") == message
    assert (due.key, due.headers) == (message_id(1).encode(), (("traceparent", TRACE),))
    assert words(outs) == ["due"]
    one.wake(DUE_MS + 1, DUE_MS + 1, ENOUGH)
    assert one.flush() == []
    assert one.waiting == 0


def test_whoever_asked_for_all_is_told_that_it_waits() -> None:
    one = partition()
    one.take(Record(scheduled(receipt="all").to_json()), AT_MS)
    (status,) = values(one.flush(), "mt.statuses")
    found = Status.model_validate(status)
    assert (found.status, found.final, found.message_id) == ("scheduled", False, message_id(1))
    one.wake(DUE_MS, DUE_MS, ENOUGH)
    one.flush()
    one.take(Record(scheduled(receipt="all", wait_no=2, due_ms=DUE_MS + 5).to_json(), 1), DUE_MS)
    (again,) = values(one.flush(), "mt.statuses")
    assert again["status"] == "scheduled"
    assert again["status_id"] != status["status_id"]


def test_a_repeat_of_what_waits_or_is_gone_changes_nothing() -> None:
    one = partition()
    one.take(Record(scheduled().to_json(), 0), AT_MS)
    one.flush()
    one.take(Record(scheduled(due_ms=DUE_MS + 1).to_json(), 1), AT_MS)
    assert [out.key for out in one.flush()] == [b"positions"]
    one.wake(DUE_MS, DUE_MS, ENOUGH)
    one.flush()
    one.take(Record(scheduled().to_json(), 2), DUE_MS)
    one.wake(DUE_MS, DUE_MS, ENOUGH)
    assert [out.key for out in one.flush()] == [b"positions"]
    one.take(Record(scheduled(wait_no=2, due_ms=DUE_MS).to_json(), 3), DUE_MS)
    one.wake(DUE_MS, DUE_MS, ENOUGH)
    assert words(one.flush()) == ["scheduled", "due"]


def test_a_record_that_was_read_before_changes_nothing_whatever_is_remembered() -> None:
    one = partition()
    one.take(Record(scheduled().to_json(), 7), AT_MS)
    one.wake(DUE_MS, DUE_MS, ENOUGH)
    one.wake(DUE_MS + GONE_KEEP_MS, DUE_MS + GONE_KEEP_MS, ENOUGH)
    assert one.store.get(message_id(1).encode()) is None
    one.flush()
    one.take(Record(scheduled().to_json(), 7), DUE_MS)
    assert one.flush() == []


def test_a_message_ends_at_its_validity_not_when_it_would_go() -> None:
    one = partition()
    one.take(Record(scheduled(valid_ms=-5).to_json()), AT_MS)
    one.flush()
    assert one.next_due_ms() == DUE_MS - 5
    one.wake(DUE_MS - 5, DUE_MS - 5, ENOUGH)
    outs = one.flush()
    (status,) = values(outs, "mt.statuses")
    assert (status["status"], status["reason"], status["final"]) == ("expired", "validity_passed", True)
    assert values(outs, "mt.due") == []


def test_what_is_gone_is_forgotten_an_hour_later() -> None:
    one = partition()
    one.take(Record(scheduled().to_json()), AT_MS)
    one.wake(DUE_MS, DUE_MS, ENOUGH)
    (entry,) = [
        WaitingEntry.from_json(o.value or b"") for o in one.flush() if o.topic == WAITING and o.key != b"positions"
    ]
    assert entry.gone is not None
    assert (entry.gone.ended, one.next_due_ms()) == ("due", DUE_MS + HOUR_MS)
    one.wake(DUE_MS + HOUR_MS, DUE_MS + HOUR_MS, ENOUGH)
    assert [(out.key, out.value) for out in one.flush()] == [(message_id(1).encode(), None)]
    assert one.next_due_ms() is None


def test_the_earliest_go_first_and_no_more_than_was_asked_for() -> None:
    one = partition()
    for number in range(5):
        one.take(Record(scheduled(number, due_ms=DUE_MS - number).to_json(), number), AT_MS)
    one.flush()
    assert one.wake(DUE_MS, DUE_MS, 2) == 2
    first = [out.key for out in one.flush() if out.topic == "mt.due"]
    assert first == [message_id(number).encode() for number in (4, 3)]
    assert one.next_due_ms() == DUE_MS - 2


@pytest.mark.parametrize("value", [None, b"", b"[]", b"{}", scheduled().to_json()[:-1], b'{"context":[]}'])
def test_what_is_no_message_is_a_dead_letter_and_stops_nothing(value: bytes | None) -> None:
    one = partition()
    one.take(Record(value, 3), AT_MS)
    one.take(Record(scheduled().to_json(), 4), AT_MS)
    outs = one.flush()
    (letter,) = [out for out in outs if out.topic == "mt.scheduled.dlq"]
    assert (dict(letter.headers)["dlq_service"], dict(letter.headers)["dlq_offset"]) == (b"scheduler", b"3")
    assert words(outs) == ["scheduled"]
    (positions,) = [orjson.loads(out.value or b"") for out in outs if out.key == b"positions"]
    assert positions["positions"] == {"mt.scheduled": 5}
