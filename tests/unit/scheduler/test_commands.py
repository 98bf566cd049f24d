"""Pure: commands: what they do to what waits, and what is said where they come to nothing."""

from typing import Any

import orjson
import pytest

from schemas.commands import Command
from schemas.scheduled import ScheduledMessage
from schemas.topics import MT_COMMANDS
from services.scheduler.commands import CANCELLED, SWEEP_MAX
from services.scheduler.cycle import SchedulerCycle
from services.scheduler.orders import REMEMBERED_MS, UNKNOWN_AFTER_MS
from services.scheduler.partition import WaitingPartition
from services.scheduler.store import SqliteStore
from shared.kafka.records import Out
from tests.unit.scheduler.making import DUE_MS, EVENTS, Record, events, message_id, scheduled, store, values, words
from tests.unit.submissions import AT_MS

GIVEN_MS = AT_MS + 1_000
LATER = "2026-09-22T00:00:00+02:00"
OTHER_ACCOUNT: dict[str, Any] = {"account_id": "bank"}


class World:
    """One partition, and records that come in by turns."""

    def __init__(self, found: SqliteStore | None = None) -> None:
        self.store = found or store()
        self.cycle = SchedulerCycle(1)
        self.cycle.partitions[0] = WaitingPartition(0, self.store, EVENTS)
        self.offset = 0

    def waits(self, number: int = 1, **fields: Any) -> list[Out]:
        self.offset += 1
        message = scheduled(number, **fields)
        return self.cycle.run([Record(message.to_json(), self.offset)], (), AT_MS, 0)

    def command(self, given_ms: int = GIVEN_MS, at_ms: int = 0, **fields: Any) -> list[Out]:
        self.offset += 1
        body = {"command": "cancel", "account_id": "shop"} | fields
        record = Record(orjson.dumps(body), self.offset, topic=MT_COMMANDS, timestamp=given_ms)
        return self.cycle.run((), [record], at_ms or given_ms, 0)

    def at(self, at_ms: int) -> list[Out]:
        return self.cycle.run((), (), at_ms, at_ms)


def final(outs: list[Out]) -> dict[str, Any]:
    (status,) = values(outs, "mt.statuses")
    assert status["final"] is True
    return status


@pytest.mark.parametrize("named", [{"message_id": message_id(1)}, {"idempotency_key": "k"}])
def test_a_message_that_is_cancelled_ends_once_and_never_goes(named: dict[str, Any]) -> None:
    world = World()
    world.waits(idempotency_key="k")
    status = final(world.command(**named))
    assert (status["status"], status["reason"], status["message_id"]) == ("cancelled", CANCELLED, message_id(1))
    (event,) = events(again := world.command(**named))
    assert (event["event"], event["reason"]) == ("command_ignored", "already_cancelled")
    assert values(again, "mt.statuses") == []
    assert values(world.at(DUE_MS), "mt.due") == []
    assert world.cycle.waiting == 0


@pytest.mark.parametrize("command", ["cancel", "reschedule"])
@pytest.mark.parametrize("gone", [False, True])
def test_another_accounts_message_is_none_of_its_business(command: str, gone: bool) -> None:
    world = World()
    world.waits()
    at_ms = DUE_MS if gone else GIVEN_MS
    world.at(at_ms)
    more: dict[str, Any] = {"send_at": LATER} if command == "reschedule" else {}
    outs = world.command(at_ms, command=command, message_id=message_id(1), **OTHER_ACCOUNT, **more)
    (event,) = events(outs)
    assert (event["event"], event["reason"]) == ("command_ignored", "other_account")
    assert event["detail"] == f"{command} by account bank, command 0/2"
    assert len(values(world.at(DUE_MS), "mt.due")) == (0 if gone else 1)


def test_a_key_of_another_account_is_another_key() -> None:
    world = World()
    world.waits(idempotency_key="k")
    assert events(world.command(idempotency_key="k", **OTHER_ACCOUNT)) == []
    assert len(values(world.at(DUE_MS), "mt.due")) == 1


@pytest.mark.parametrize(("fields", "word"), [
    ({"command": "cancel"}, "cancel_too_late"),
    ({"command": "reschedule", "send_at": LATER}, "reschedule_too_late"),
])  # fmt: skip
def test_what_has_gone_is_too_late_and_nothing_else_changes(fields: dict[str, Any], word: str) -> None:
    world = World()
    world.waits()
    world.at(DUE_MS)
    outs = world.command(DUE_MS, message_id=message_id(1), **fields)
    (event,) = events(outs)
    assert (event["event"], event["reason"], event["message_id"]) == (word, "due", message_id(1))
    assert values(outs, "mt.statuses") == values(outs, "mt.due") == []


def test_a_cancel_holds_also_when_the_message_comes_back() -> None:
    world = World()
    world.waits()
    world.at(DUE_MS)
    world.command(DUE_MS, message_id=message_id(1))
    outs = world.waits(wait_no=2, due_ms=DUE_MS + 5)
    assert final(outs)["status"] == "cancelled"


def test_nobody_has_such_a_message_and_says_so_once() -> None:
    world = World()
    assert events(world.command(message_id=message_id(7))) == []
    assert world.cycle.next_due_ms() == GIVEN_MS + UNKNOWN_AFTER_MS
    (event,) = events(world.at(GIVEN_MS + UNKNOWN_AFTER_MS))
    assert (event["event"], event["reason"], event["message_id"]) == (
        "cancel_too_late",
        "unknown_message",
        message_id(7),
    )
    assert events(world.at(GIVEN_MS + UNKNOWN_AFTER_MS + 1)) == []
    world.at(GIVEN_MS + REMEMBERED_MS)
    assert world.cycle.next_due_ms() is None


@pytest.mark.parametrize("named", [
    {"message_id": message_id(1)}, {"idempotency_key": "k"}, {"command": "cancel_campaign", "campaign_id": "c"},
])  # fmt: skip
def test_a_command_that_overtakes_its_message_holds_also_after_a_restart(named: dict[str, Any]) -> None:
    world = World()
    world.command(**named)
    world.at(GIVEN_MS + UNKNOWN_AFTER_MS)
    world.at(GIVEN_MS + UNKNOWN_AFTER_MS)
    after = World(world.store)
    after.offset = world.offset
    outs = after.waits(idempotency_key="k", campaign_id="c")
    assert final(outs)["status"] == "cancelled"
    assert values(after.at(DUE_MS), "mt.due") == []


def test_what_is_accepted_after_a_command_is_not_covered_by_it() -> None:
    world = World()
    world.command(AT_MS - 1, command="cancel_campaign", campaign_id="c")
    world.command(AT_MS - 1, idempotency_key="k")
    world.command(AT_MS - 1, message_id=message_id(1))
    assert values(world.waits(campaign_id="c", idempotency_key="k"), "mt.statuses") == []
    assert len(values(world.at(DUE_MS), "mt.due")) == 1


def test_a_campaign_is_cancelled_piece_by_piece_and_nothing_of_it_goes_meanwhile() -> None:
    world = World()
    for number in range(SWEEP_MAX + 5):
        world.waits(number, campaign_id="c", due_ms=GIVEN_MS)
    world.waits(9_999_999, campaign_id="other", due_ms=GIVEN_MS)
    outs = world.command(command="cancel_campaign", campaign_id="c")
    assert world.cycle.next_due_ms() == 0
    outs += world.at(GIVEN_MS)
    outs += world.at(GIVEN_MS)
    ended = [status["message_id"] for status in values(outs, "mt.statuses")]
    assert sorted(ended) == [message_id(number) for number in range(SWEEP_MAX + 5)]
    assert [due["context"][0] for due in values(outs, "mt.due")] == [message_id(9_999_999)]


def test_a_message_that_is_moved_goes_at_the_other_time_with_its_validity() -> None:
    world = World()
    world.waits(receipt="all", valid_ms=60_000)
    send_at_ms = DUE_MS + 3_600_000
    outs = world.command(command="reschedule", message_id=message_id(1), send_at="2026-09-21T18:13:20+02:00")
    (status,) = values(outs, "mt.statuses")
    assert (status["status"], status["final"]) == ("scheduled", False)
    told = events(outs)[0]
    assert (told["event"], told["deadline_at_ms"]) == ("rescheduled", send_at_ms)
    assert values(world.at(DUE_MS), "mt.due") == []
    (due,) = values(world.at(send_at_ms), "mt.due")
    found = ScheduledMessage.from_json(orjson.dumps(due))
    assert (found.send_at_ms, found.expires_at_ms) == (send_at_ms, send_at_ms + 60_000)


def test_each_move_has_a_status_of_its_own() -> None:
    world = World()
    first = values(world.waits(receipt="all"), "mt.statuses")
    named: dict[str, Any] = {"command": "reschedule", "message_id": message_id(1)}
    outs = world.command(**named, send_at="2026-09-21T18:13:20+02:00", validity_s=5)
    outs += world.command(**named, send_at="2026-09-21T19:13:20+02:00")
    ids = [status["status_id"] for status in (*first, *values(outs, "mt.statuses"))]
    assert len(set(ids)) == 3
    (due,) = values(world.at(DUE_MS + 7_200_000), "mt.due")
    assert due["expires_at_ms"] == DUE_MS + 7_205_000


@pytest.mark.parametrize("send_at", ["2026-09-21T14:12:20.9Z", "2026-12-20T14:13:20.001Z", "9999-12-31T23:59:59Z"])
def test_a_time_out_of_range_moves_nothing(send_at: str) -> None:
    world = World()
    world.waits()
    (event,) = events(world.command(command="reschedule", message_id=message_id(1), send_at=send_at))
    assert (event["event"], event["reason"]) == ("command_ignored", "schedule_out_of_range")
    assert len(values(world.at(DUE_MS), "mt.due")) == 1


def test_a_move_that_overtakes_its_message_is_carried_out_once() -> None:
    world = World()
    world.command(command="reschedule", message_id=message_id(1), send_at="2026-09-21T18:13:20+02:00")
    assert words(world.waits()) == ["scheduled", "rescheduled"]
    assert world.cycle.next_due_ms() == DUE_MS + 3_600_000


def test_a_command_that_was_read_before_changes_nothing() -> None:
    world = World()
    world.waits()
    world.command(message_id=message_id(1))
    world.offset -= 1
    assert world.command(message_id=message_id(1)) == []


@pytest.mark.parametrize("body", [
    b"", b"[]", b"{}", b'{"command":"cancel","account_id":"shop"}',
    b'{"command":"cancel","account_id":"shop","message_id":"no id"}',
    b'{"command":"cancel","account_id":"shop","message_id":"%s","idempotency_key":"k"}' % message_id(1).encode(),
    b'{"command":"replace","account_id":"shop","message_id":"%s","text":"x"}' % message_id(1).encode(),
    b'{"command":"reschedule","account_id":"shop","message_id":"%s"}' % message_id(1).encode(),
    b'{"command":"reschedule","account_id":"shop","message_id":"%s","send_at":"2026-09-21T14:13:20"}'
    % message_id(1).encode(),
    b'{"command":"cancel_campaign","account_id":"shop","message_id":"%s"}' % message_id(1).encode(),
    b'{"schema_version":2,"command":"cancel","account_id":"shop","message_id":"%s"}' % message_id(1).encode(),
])  # fmt: skip
def test_what_is_no_command_is_one_dead_letter_of_whoever_has_its_partition(body: bytes) -> None:
    world = World()
    record = Record(body, 3, topic=MT_COMMANDS)
    outs = world.cycle.run((), [record], AT_MS, 0)
    (letter,) = [out for out in outs if out.topic == f"{MT_COMMANDS}.dlq"]
    assert dict(letter.headers)["dlq_service"] == b"scheduler"
    assert [out.topic for out in world.cycle.run((), [record], AT_MS, 0)] == []
    elsewhere = SchedulerCycle(2)
    elsewhere.partitions[1] = World().cycle.partitions[0]
    assert [out.topic for out in elsewhere.run((), [record], AT_MS, 0)] == ["scheduler.waiting"]


def test_a_command_about_an_id_is_for_the_partition_of_that_id_alone() -> None:
    command = Command(command="cancel", account_id="shop", message_id=message_id(1))
    told = 0
    for number in range(4):
        cycle = SchedulerCycle(4)
        cycle.partitions[number] = World().cycle.partitions[0]
        cycle.run((), [Record(command.to_json(), 3, topic=MT_COMMANDS)], AT_MS, 0)
        told += len(events(cycle.run((), (), AT_MS + UNKNOWN_AFTER_MS, AT_MS + UNKNOWN_AFTER_MS)))
    assert told == 1
