"""Pure: what was decided before."""

import orjson
import pytest

from services.ingress.own_output import DecidedByIngress, EndedByIngress
from tests.unit.submissions import submission


def test_submissions_and_finals_that_were_read_back_are_known_until_forgotten() -> None:
    own = DecidedByIngress()
    assert own.is_empty()
    own.add_submission(submission(message_id="m", route_no=1).to_json())
    own.add_submission(submission(message_id="n", connector_id="beta").to_json())
    own.add_status(
        orjson.dumps({"message_id": "o", "final": True, "status": "rejected", "reason": "no_route",
                      "occurred_at_ms": 5})
    )  # fmt: skip
    own.add_status(orjson.dumps({"message_id": "m", "final": False, "status": "accepted", "occurred_at_ms": 5}))
    assert (own.routed("m", 1), own.routed("m", 0), own.routed("n", 0)) == ("acme", None, "beta")
    assert own.ended("o") == EndedByIngress("rejected", "no_route", None, 5)
    assert own.ended("m") is None
    assert not own.is_empty()
    own.forget_read_back()
    assert own.is_empty()
    assert own.routed("m", 1) is None


@pytest.mark.parametrize("value", [None, b"", b"x", b"[]", b"{}", b'{"message_id":1,"connector_id":"a","final":true}'])
def test_records_of_others_are_no_concern(value: bytes | None) -> None:
    own = DecidedByIngress()
    own.add_submission(value)
    own.add_status(value)
    assert own.is_empty()


def test_what_this_process_decided_stays_and_is_bounded() -> None:
    own = DecidedByIngress(noted_max=2)
    for name in ("a", "b", "c"):
        own.note(name, 1, name)
    own.forget_read_back()
    assert [own.routed(name, 1) for name in ("a", "b", "c")] == [None, "b", "c"]
