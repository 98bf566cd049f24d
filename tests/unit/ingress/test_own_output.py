"""Pure: what was decided before."""

import orjson
import pytest

from services.ingress.own_output import DecidedByIngress, EndedByIngress, Routed
from tests.unit.ingress.scene import AT_MS, Record, request
from tests.unit.submissions import submission


def test_submissions_and_finals_that_were_read_back_are_known_until_forgotten() -> None:
    own = DecidedByIngress()
    assert not own
    own.add_submission(submission(message_id="m", route_no=1).to_json())
    own.add_submission(submission(message_id="n", connector_id="beta").to_json())
    own.add_status(
        orjson.dumps({"message_id": "o", "final": True, "status": "rejected", "reason": "no_route",
                      "occurred_at_ms": 5})
    )  # fmt: skip
    own.add_status(orjson.dumps({"message_id": "m", "final": False, "status": "accepted", "occurred_at_ms": 5}))
    assert (own.routed("m", 1), own.routed("m", 0)) == (Routed("acme", "SHOP"), None)
    assert own.routed("n", 0) == Routed("beta", "SHOP")
    assert own.ended("o") == EndedByIngress("rejected", "no_route", None, 5)
    assert own.ended("m") is None
    assert own
    own.forget()
    assert not own
    assert own.routed("m", 1) is None


@pytest.mark.parametrize("value", [None, b"", b"x", b"[]", b"{}", b'{"message_id":1,"connector_id":"a","final":true}'])
def test_records_of_others_are_no_concern(value: bytes | None) -> None:
    own = DecidedByIngress()
    own.add_submission(value)
    own.add_status(value)
    assert not own


def test_a_copy_that_was_moved_is_known_by_its_origin_and_its_octets() -> None:
    own = DecidedByIngress()
    body = request(idempotency_key="order-1")
    headers = [("origin_partition", b"2"), ("origin_offset", b"7"), ("origin_timestamp_ms", b"%d" % AT_MS)]
    own.add_request(Record(body, partition=1, offset=90, headers=headers))
    own.add_request(Record(body, partition=1, offset=91))
    original = Record(body, partition=2, offset=7)
    assert own
    assert own.is_copied(original)
    assert not own.is_copied(original._replace(offset=8))
    assert not own.is_copied(original._replace(partition=1))
    assert not own.is_copied(original._replace(value=request(text="another"))), "headers are anybody's"
    own.forget()
    assert not own.is_copied(original)
