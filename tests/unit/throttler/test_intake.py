"""Pure: lane records on their way in."""

import orjson
import pytest

from schemas.topics import segments_topic
from services.throttler.lanes.intake import take_in
from services.throttler.lanes.ledger import Ledger
from shared.messages.events import EventMaker
from tests.unit.throttler.world import CONNECTOR, START_MS, Rec, message

EVENTS = EventMaker("throttler", "0")
TOPIC = segments_topic(CONNECTOR, "txn")


def record(value: bytes, offset: int = 0) -> Rec:
    return Rec(TOPIC, 0, offset, START_MS, b"shop", value)


@pytest.mark.parametrize(
    ("queued", "route_no", "words"), [(False, 0, ["queued"]), (False, 1, ["queued"]), (True, 1, [])]
)
def test_queued_is_said_once_a_message(queued: bool, route_no: int, words: list[str]) -> None:
    """By the first throttler that has it, on whatever route: its first connector may be gone before. Its id is the
    message's: a second one with another connector would contradict the first."""
    value = message(receipt="all", route_no=route_no, queued=queued).to_json()
    stay, outs = take_in(record(value), Ledger(), EVENTS, START_MS)
    assert stay is not None
    assert [orjson.loads(out.value or b"")["status"] for out in outs if out.topic == "mt.statuses"] == words


def test_queued_says_the_same_when_a_successor_reads_the_record_again() -> None:
    """A head that was read and not begun has its status written, and its offset not committed."""
    value = record(message(receipt="all").to_json())
    (_, first), (_, again) = (take_in(value, Ledger(), EVENTS, START_MS + late_ms) for late_ms in (5, 9_000))
    assert [out.value for out in again] == [out.value for out in first]


def test_a_message_of_another_connector_is_a_dead_letter() -> None:
    """Its dispatches would go to topics that this dispatcher knows nothing of: the process ended, again and again."""
    value = message().model_copy(update={"connector_id": "other-1"}).to_json()
    stay, (letter,) = take_in(record(value), Ledger(), EVENTS, START_MS)
    assert stay is None
    assert letter.topic == "mt.segments.dlq"
    assert b"other-1" in (dict(letter.headers)["dlq_error"] or b"")


@pytest.mark.parametrize("field", [b'"route_no":', b'"attempt":', b'"expires_at_ms":', b'"context":["'])
def test_a_number_that_no_record_of_ours_can_carry_is_a_dead_letter(field: bytes) -> None:
    value = message().to_json()
    before, _, after = value.partition(field)
    if field.endswith(b'"'):  # accepted_at_ms is the context's second member
        field += after[: after.index(b",") + 1]
        after = after[after.index(b",") + 1 :]
    wrong = before + field + b"9" * 30 + after[after.index(b",") :]
    stay, (letter,) = take_in(record(wrong), Ledger(), EVENTS, START_MS)
    assert stay is None
    assert letter.topic == "mt.segments.dlq"
