"""Pure: which messages a dead letter is about."""

import json

import pytest
from aiokafka import ConsumerRecord

from shared.messages.ids import derived_id, message_id_of
from shared.operations.dead_letters import message_ids_of, read_letter

ID = derived_id(1_790_000_000_000, "x")


def ids(topic: str, value: bytes, **headers: bytes) -> tuple[str, ...]:
    place = {"dlq_topic": topic.encode(), "dlq_partition": b"2", "dlq_offset": b"17", "dlq_timestamp_ms": b"1000"}
    record = ConsumerRecord(
        topic="x.dlq", partition=0, offset=5, timestamp=0, timestamp_type=0, key=None, value=value, checksum=None,
        serialized_key_size=0, serialized_value_size=0, headers=tuple((place | headers).items()),
    )  # fmt: skip
    return message_ids_of(read_letter(record))


@pytest.mark.parametrize(
    ("topic", "value"),
    [("mt.submissions", {"context": [ID, 1]}), ("mt.submissions.otp", {"context": [ID]}),
     ("mt.segments.acme-1.bulk", {"context": [ID]}), ("mt.reroutes", {"context": [ID]}),
     ("mt.dispatch.acme-1", {"message_id": ID.upper()}), ("mt.segments.a.otp", {"message_id": ID})],
)  # fmt: skip
def test_what_leads_to_a_submit_names_its_message(topic: str, value: dict[str, object]) -> None:
    assert ids(topic, json.dumps(value).encode()) == (ID,)


@pytest.mark.parametrize("topic", ["lifecycle.events", "smsc.receipts", "mt.outcomes", "mt.feedback.acme-1"])
def test_what_leads_to_none_is_about_none(topic: str) -> None:
    assert ids(topic, json.dumps({"message_id": ID, "context": [ID]}).encode()) == ()


@pytest.mark.parametrize(
    "value", [b"", b"\xff", b"[]", b"17", b'{"context": {}}', b'{"context": []}', b'{"context": [1]}',
              b'{"message_id": "x"}', b'{"message_id": {}}', b'{"context": ["\\ud800"]}'],
)  # fmt: skip
def test_any_value_is_read(value: bytes) -> None:
    assert ids("mt.dispatch.acme-1", value) == ()


def test_a_request_is_named_by_its_place_and_by_its_first_one() -> None:
    own = message_id_of(1000, "mt.requests", 2, 17)
    assert ids("mt.requests", b"not even JSON") == (own,)
    moved = ids("mt.requests", b"", origin_partition=b"1", origin_offset=b"9", origin_timestamp_ms=b"900")
    assert moved == (own, message_id_of(900, "mt.requests", 2, 17), message_id_of(900, "mt.requests", 1, 9))
    again = ids("mt.requests", b"", replayed_from=b"x/0/1", origin_timestamp_ms=b"900")
    assert again == (own, message_id_of(900, "mt.requests", 2, 17))
    assert ids("mt.requests", b"", origin_timestamp_ms=b"-1", origin_offset=b"x") == (own,)
