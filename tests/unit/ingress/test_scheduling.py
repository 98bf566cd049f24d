"""Pure: a request that is not due yet, and a message whose time has come."""

from typing import Any

import orjson
import pytest

from schemas.gateway.accounts import Account, Limits
from schemas.scheduled import ScheduledMessage
from schemas.submissions import Submission
from services.ingress.opt_outs import OptOuts
from services.ingress.own_output import DecidedByIngress
from services.ingress.scheduling import DueDecider
from shared.messages.routing import GatewayView
from tests.unit.ingress.scene import AT_MS, EVENTS, Record, applied, decider, event, only, request, topics

SEND_AT = "2026-09-21T15:13:20Z"
SEND_AT_MS = AT_MS + 3_600_000
NOW_MS = SEND_AT_MS + 30


def waiting(**fields: Any) -> ScheduledMessage:
    """What ingress makes of a request with `send_at`."""
    outs = decider().decide(Record(request(**({"send_at": SEND_AT} | fields))), AT_MS + 40)
    return ScheduledMessage.from_json(orjson.dumps(only(outs, "mt.scheduled")))


def due(message: ScheduledMessage, *, own: DecidedByIngress | None = None, opt_outs: OptOuts | None = None,
        **config: Any) -> list[Any]:  # fmt: skip
    found = DueDecider(EVENTS, opt_outs or OptOuts(), own or DecidedByIngress(), GatewayView(applied(**config)))
    record = Record(
        message.to_json(), topic="mt.due", headers=[("traceparent", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01")]
    )
    return found.decide(record, NOW_MS)


def test_a_request_for_later_is_given_to_the_scheduler_without_a_route() -> None:
    outs = decider().decide(Record(request(send_at=SEND_AT, validity_s=60, receipt="all")), AT_MS + 40)
    assert topics(outs) == ["mt.scheduled", "lifecycle.events", "mt.statuses", "lifecycle.events"]
    message = ScheduledMessage.from_json(outs[0].value or b"")
    assert (message.send_at_ms, message.due_at_ms, message.expires_at_ms) == (
        SEND_AT_MS,
        SEND_AT_MS,
        SEND_AT_MS + 60_000,
    )
    assert (message.wait_no, message.why, message.connector_id) == (1, "send_at", "")
    assert outs[0].key == message.context.message_id.encode()
    assert event(outs, "accepted")["connector_id"] == ""
    assert only(outs, "mt.statuses")["status"] == "accepted"


@pytest.mark.parametrize(("send_at", "topic"), [
    ("2026-09-21T14:13:20.001Z", "mt.scheduled"),
    ("2026-09-21T14:13:20Z", "mt.submissions"),
    ("2026-09-21T14:12:20Z", "mt.submissions"),
])  # fmt: skip
def test_up_to_now_goes_at_once_and_a_millisecond_ahead_does_not(send_at: str, topic: str) -> None:
    assert topics(decider().decide(Record(request(send_at=send_at)), AT_MS + 40))[0] == topic


def test_what_is_past_is_valid_from_now_on() -> None:
    outs = decider().decide(Record(request(send_at="2026-09-21T14:12:20Z", validity_s=1)), AT_MS)
    assert only(outs, "mt.submissions")["expires_at_ms"] == AT_MS + 1_000


def test_opt_outs_and_routes_are_not_asked_before_it_goes() -> None:
    opt_outs = OptOuts()
    opt_outs.apply(b"shop|447700900123", b"{}")
    nowhere = applied({"match": {"prefix": "49"}, "to": [{"connector": "acme"}]})
    outs = decider(nowhere, opt_outs=opt_outs).decide(Record(request(send_at=SEND_AT)), AT_MS)
    assert topics(outs)[0] == "mt.scheduled"


@pytest.mark.parametrize(("fields", "reason"), [
    ({"account_id": "nobody"}, "unknown_account"), ({"account_id": "bank"}, "invalid_sender"),
])  # fmt: skip
def test_what_no_time_mends_is_rejected_at_once(fields: dict[str, str], reason: str) -> None:
    outs = decider().decide(Record(request(send_at=SEND_AT, **fields)), AT_MS)
    assert only(outs, "mt.statuses")["reason"] == reason


def test_a_key_is_taken_by_what_waits() -> None:
    found = decider()
    first = found.decide(Record(request(send_at=SEND_AT, idempotency_key="k")), AT_MS)
    assert topics(first) == ["mt.scheduled", "ingress.keys", "lifecycle.events"]
    repeat = found.decide(Record(request(send_at=SEND_AT, idempotency_key="k"), offset=8), AT_MS)
    assert event(repeat, "duplicate")["message_id"] == only(first, "mt.scheduled")["context"][0]


def test_after_a_crash_it_is_not_given_to_the_scheduler_again() -> None:
    own = DecidedByIngress()
    record = Record(request(send_at=SEND_AT, receipt="all"))
    before = decider(own=own).decide(record, AT_MS)
    own.add_scheduled(before[0].value)
    assert decider(own=own).decide(record, AT_MS) == before[1:]
    other = applied(accounts=[Account(id="shop", default_sender="OTHER")])
    assert decider(other, own=own).decide(record, AT_MS) == before[1:]
    own.forget()
    assert decider(own=own).decide(record, AT_MS) == before


def test_when_its_time_has_come_it_takes_the_route_of_that_moment() -> None:
    outs = due(waiting(validity_s=60, metadata={"a": "b"}))
    assert topics(outs) == ["mt.submissions"]
    made = Submission.from_json(outs[0].value or b"")
    assert (made.connector_id, made.route_no, made.pinned) == ("acme", 0, False)
    assert (made.expires_at_ms, made.context.accepted_at_ms) == (SEND_AT_MS + 60_000, AT_MS)
    assert (made.context.metadata, outs[0].key) == ({"a": "b"}, b"447700900123")
    assert dict(outs[0].headers)["traceparent"]
    assert topics(due(waiting(lane="otp"))) == ["mt.submissions.otp"]
    assert only(due(waiting(connector_id="beta")), "mt.submissions")["pinned"] is True


@pytest.mark.parametrize(("config", "reason", "field"), [
    ({"accounts": [Account(id="bank", default_sender="B")]}, "unknown_account", "account_id"),
    ({"accounts": [Account(id="shop", limits=Limits(lanes=("bulk",)))]}, "lane_not_allowed", "lane"),
    ({"draining": ["acme"]}, "no_route", None),
])  # fmt: skip
def test_what_has_changed_while_it_waited_counts(config: dict[str, Any], reason: str, field: str | None) -> None:
    outs = due(waiting(), **config)
    status = only(outs, "mt.statuses")
    assert (status["status"], status["final"], status["reason"], status.get("field")) == (
        "rejected",
        True,
        reason,
        field,
    )
    assert event(outs, "rejected")["reason"] == reason


def test_whoever_opted_out_while_it_waited_gets_nothing() -> None:
    opt_outs = OptOuts()
    opt_outs.apply(b"shop|447700900123", b"{}")
    assert only(due(waiting(), opt_outs=opt_outs), "mt.statuses")["reason"] == "opted_out"


def test_after_a_crash_what_was_due_is_not_decided_again() -> None:
    own = DecidedByIngress()
    message = waiting()
    own.add_submission(due(message)[0].value)
    assert due(message, own=own, draining=["acme"]) == []
    own.forget()
    refused = due(message, draining=["acme"])
    own.add_status(next(out.value for out in refused if out.topic == "mt.statuses"))
    assert due(message, own=own) == refused


@pytest.mark.parametrize("value", [None, b"x", b"{}"])
def test_what_is_no_message_is_a_dead_letter(value: bytes | None) -> None:
    found = DueDecider(EVENTS, OptOuts(), DecidedByIngress(), GatewayView(applied()))
    assert topics(found.decide(Record(value, topic="mt.due"), NOW_MS)) == ["mt.due.dlq"]


NIGHT = {"from": "21:00", "to": "08:00", "timezone": "Europe/Berlin", "lanes": ["bulk"]}
NIGHT_AT_MS = AT_MS + 6 * 3_600_000  # 22:13:20 in Berlin
MORNING_MS = 1_790_056_800_000
"""08:00 in Berlin on the next day."""


def with_hours(**changes: Any) -> Account:
    account = {"id": "shop", "default_sender": "SHOP", "default_timezone": "Europe/Berlin"}
    return Account.model_validate(account | {"quiet_hours": NIGHT | changes})


def test_in_quiet_hours_a_message_waits_until_they_are_over() -> None:
    found = decider(applied(accounts=[with_hours()]))
    record = Record(request(lane="bulk", validity_s=60), timestamp=NIGHT_AT_MS)
    message = ScheduledMessage.from_json(orjson.dumps(only(found.decide(record, NIGHT_AT_MS + 5), "mt.scheduled")))
    assert (message.due_at_ms, message.why, message.wait_no, message.send_at_ms) == (MORNING_MS, "quiet_hours", 1, 0)
    assert message.expires_at_ms == NIGHT_AT_MS + 60_000  # it ends then, not when the window opens


@pytest.mark.parametrize(("fields", "changes", "at_ms"), [
    ({"lane": "txn"}, {}, NIGHT_AT_MS), ({"lane": "otp"}, {"lanes": ["txn", "bulk"]}, NIGHT_AT_MS),
    ({"lane": "bulk"}, {}, AT_MS), ({"lane": "bulk"}, {"days": ["tu", "we"]}, NIGHT_AT_MS),
])  # fmt: skip
def test_other_lanes_and_other_times_go(fields: dict[str, str], changes: dict[str, Any], at_ms: int) -> None:
    found = decider(applied(accounts=[with_hours(**changes)]))
    assert topics(found.decide(Record(request(**fields), timestamp=at_ms), at_ms))[0].startswith("mt.submissions")


def test_changed_hours_count_from_then_on() -> None:
    found = decider(applied(accounts=[with_hours()]))
    record = Record(request(lane="bulk"), timestamp=NIGHT_AT_MS)
    assert topics(found.decide(record, NIGHT_AT_MS))[0] == "mt.scheduled"
    found.view = GatewayView(applied(accounts=[with_hours(to="22:00")]))
    assert topics(found.decide(record, NIGHT_AT_MS))[0] == "mt.submissions"


def test_a_whole_week_of_quiet_hours_has_no_end() -> None:
    found = decider(applied(accounts=[with_hours(to="21:00")]))
    message = only(found.decide(Record(request(lane="bulk"), timestamp=AT_MS), AT_MS), "mt.scheduled")
    assert message["due_at_ms"] > message["expires_at_ms"]


def test_the_zone_is_the_recipients() -> None:
    found = decider(applied(accounts=[with_hours(timezone="recipient")]))
    kinds = {
        to: topics(found.decide(Record(request(lane="bulk", to=to), timestamp=NIGHT_AT_MS), NIGHT_AT_MS))[0]
        for to in ("+491701234567", "+12125550123", "+88161234567")
    }
    assert kinds == {
        "+491701234567": "mt.scheduled", "+12125550123": "mt.submissions", "+88161234567": "mt.scheduled",
    }  # fmt: skip


def test_what_becomes_due_in_quiet_hours_waits_once_more() -> None:
    message = waiting(lane="bulk").model_copy(update={"due_at_ms": NIGHT_AT_MS})
    found = DueDecider(EVENTS, OptOuts(), own := DecidedByIngress(), GatewayView(applied(accounts=[with_hours()])))
    record = Record(message.to_json(), topic="mt.due")
    (out,) = found.decide(record, NIGHT_AT_MS)
    again = ScheduledMessage.from_json(out.value or b"")
    assert (out.topic, again.wait_no, again.why, again.due_at_ms) == ("mt.scheduled", 2, "quiet_hours", MORNING_MS)
    assert (again.send_at_ms, again.expires_at_ms) == (message.send_at_ms, message.expires_at_ms)
    own.add_scheduled(out.value)
    assert found.decide(record, MORNING_MS) == []
    assert topics(found.decide(Record(again.to_json(), topic="mt.due"), MORNING_MS)) == ["mt.submissions"]
