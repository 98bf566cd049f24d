"""Pure: records of ingress that only differ by where they go; their contents are in tests/contract."""

from services.ingress.outputs import duplicate_event, key_out, moved_out, submissions_topic
from services.ingress.place import place_of
from shared.messages.admission import Admitted, admit
from tests.unit.ingress.scene import AT_MS, EVENTS, Record, event, request
from tests.unit.submissions import context

MESSAGE = context(idempotency_key="k")


def test_each_lane_has_its_way() -> None:
    assert [submissions_topic(lane) for lane in ("otp", "txn", "bulk")] == [
        "mt.submissions.otp",
        "mt.submissions",
        "mt.submissions",
    ]


def test_a_key_lies_beside_its_request() -> None:
    for topic, keys in (("mt.requests", "ingress.keys"), ("mt.requests.otp", "ingress.keys.otp")):
        out = key_out(Record(b"", partition=3, topic=topic), bytes(15) + b"\x01", MESSAGE.message_id, bytes(16), AT_MS)
        assert (out.topic, out.partition, out.key) == (keys, 3, b"0" * 31 + b"1")


def test_a_moved_record_stays_in_its_topic() -> None:
    record = Record(request(idempotency_key="k"), topic="mt.requests.otp")
    admitted = admit(record.value, AT_MS, "otp")
    assert isinstance(admitted, Admitted)
    out = moved_out(record, place_of(record), admitted, 2)
    assert (out.topic, out.partition, out.key, out.value) == ("mt.requests.otp", 2, b"shop:k", record.value)


def test_two_repeats_of_one_message_are_two_events() -> None:
    outs = [
        duplicate_event(EVENTS, "first", AT_MS, MESSAGE._replace(message_id=name), AT_MS, ())
        for name in ("second", "third", "third")
    ]
    ids = [event([out], "duplicate")["event_id"] for out in outs]
    assert len(set(ids)) == 2
