"""Pure: re-routes: the next connector, or the end."""

from typing import Any

import orjson
import pytest

from schemas.reroutes import Reroute
from schemas.submissions import Content, Submission
from services.ingress.own_output import DecidedByIngress
from services.ingress.rerouting import RerouteDecider
from shared.messages.routing import GatewayView
from tests.unit.ingress.scene import AT_MS, EVENTS, Record, applied, event, only, topics
from tests.unit.submissions import submission

ROUTE: dict[str, Any] = {"to": [{"connector": "acme"}, {"connector": "beta"}], "fallback": ["gamma"]}
NOW_MS = AT_MS + 500


def _decider(own: DecidedByIngress | None = None, **config: Any) -> RerouteDecider:
    return RerouteDecider(EVENTS, DecidedByIngress() if own is None else own, GatewayView(applied(ROUTE, **config)))


def _reroute(**changes: Any) -> Record:
    given = submission(metadata={"a": "b"}, **changes)
    value = Reroute(
        **dict(given),
        status="undeliverable",
        reason="smsc_refused",
        smsc_error="0x0000000b",
        occurred_at_ms=NOW_MS,
    )
    return Record(value.to_json(), topic="mt.reroutes")


def test_the_next_connector_of_the_route_gets_the_message() -> None:
    outs = _decider().decide(_reroute(), NOW_MS)
    assert topics(outs) == ["mt.submissions", "lifecycle.events"]
    following = Submission.from_json(outs[0].value or b"")
    assert (following.route_no, following.connector_id, following.tried) == (1, "beta", ["acme"])
    assert (Content.from_json(following.content).text, following.context.metadata) == ("Hello", {"a": "b"})
    rerouted = event(outs, "rerouted")
    assert (rerouted["connector_id"], rerouted["reason"], rerouted["route_no"]) == ("beta", "smsc_refused", 1)


@pytest.mark.parametrize("queued", [False, True])
def test_the_next_route_knows_whether_queued_was_told(queued: bool) -> None:
    submission_out, _ = _decider().decide(_reroute(queued=queued), NOW_MS)
    assert Submission.from_json(submission_out.value or b"").queued is queued


def test_connectors_that_were_tried_are_passed_over_and_otp_keeps_its_way() -> None:
    outs = _decider().decide(_reroute(route_no=1, connector_id="beta", tried=["acme"], lane="otp"), NOW_MS)
    assert outs[0].topic == "mt.submissions.otp"
    following = Submission.from_json(outs[0].value or b"")
    assert (following.route_no, following.connector_id, following.tried) == (2, "gamma", ["acme", "beta"])


@pytest.mark.parametrize(
    "changes",
    [{"connector_id": "gamma", "tried": ["acme", "beta"], "route_no": 2}, {"pinned": True}, {"to": "33612345678"}],
)
def test_without_another_connector_the_last_reason_is_the_final_status(changes: dict[str, Any]) -> None:
    route = ROUTE | {"match": {"prefix": "44"}}
    made = RerouteDecider(EVENTS, DecidedByIngress(), GatewayView(applied(route)))
    outs = made.decide(_reroute(**changes), NOW_MS)
    assert topics(outs) == ["mt.statuses", "lifecycle.events"]
    status = only(outs, "mt.statuses")
    assert (status["status"], status["final"], status["reason"]) == ("undeliverable", True, "smsc_refused")
    assert (status["smsc_error"], status["metadata"]) == ("0x0000000b", {"a": "b"})


def test_a_draining_connector_is_not_chosen() -> None:
    outs = _decider(draining=["beta"]).decide(_reroute(), NOW_MS)
    assert only(outs, "mt.submissions")["connector_id"] == "gamma"


def test_what_a_predecessor_decided_stands() -> None:
    first = _decider().decide(_reroute(), NOW_MS)
    own = DecidedByIngress()
    own.add_submission(first[0].value)
    again = _decider(own, draining=["beta"]).decide(_reroute(), NOW_MS)
    assert topics(again) == ["lifecycle.events"]
    assert event(again, "rerouted")["connector_id"] == "beta"
    ended = _decider().decide(_reroute(pinned=True), NOW_MS)
    own.add_status(ended[0].value)
    own.forget()
    own.add_status(ended[0].value)
    outs = _decider(own).decide(_reroute(), NOW_MS + 9)
    assert topics(outs) == ["mt.statuses", "lifecycle.events"]
    assert only(outs, "mt.statuses")["status_id"] == only(ended, "mt.statuses")["status_id"]


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (None, b""),
        (b"x", b""),
        (b"{}", b"context"),
        (orjson.dumps({"submission": {}, "status": "x", "reason": "y", "occurred_at_ms": 1}), b"context"),
    ],
)
def test_what_is_no_reroute_is_a_dead_letter(value: bytes | None, field: bytes) -> None:
    (out,) = _decider().decide(Record(value, topic="mt.reroutes"), NOW_MS)
    assert out.topic == "mt.reroutes.dlq"
    assert dict(out.headers)["dlq_field"] == field


def test_a_status_that_ends_nothing_is_a_dead_letter() -> None:
    record = orjson.loads(_reroute().value or b"") | {"status": "queued"}
    (out,) = _decider().decide(Record(orjson.dumps(record), topic="mt.reroutes"), NOW_MS)
    assert dict(out.headers)["dlq_field"] == b"status"
