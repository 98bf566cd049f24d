"""Pure: what the encoder finds of its own."""

import orjson

from services.encoder.own_output import IN_LANE, REROUTED, DecidedByEncoder, EndedByEncoder
from shared.messages.ids import derived_id
from shared.messages.reroutes import reroute_out
from tests.unit.submissions import submission

ONE, TWO = derived_id(1, "one"), derived_id(1, "two")


def _bytes(**fields: object) -> bytes:
    return orjson.dumps(fields)


def test_what_was_written_is_found_by_message_and_route() -> None:
    own = DecidedByEncoder()
    assert not own
    own.add_segmented(_bytes(schema_version=1, message_id=ONE, route_no=1, submission=f'{{"message_id":"{TWO}"}}'))
    own.add_reroute(
        reroute_out(submission(message_id=TWO), queued=False, status="rejected", reason="r", occurred_at_ms=5).value
    )
    assert own
    assert (own.before(ONE, 1), own.before(ONE, 0), own.before(TWO, 0)) == (IN_LANE, None, REROUTED)
    own.add_status(_bytes(message_id=TWO, status="accepted", final=False, occurred_at_ms=5))
    assert own.before(TWO, 0) == REROUTED
    own.add_status(_bytes(message_id=TWO, status="rejected", final=True, reason="r", field="f", occurred_at_ms=5))
    assert own.before(TWO, 3) == EndedByEncoder("rejected", "r", "f", 5)
    own.forget()
    assert not own


def test_records_of_others_say_nothing() -> None:
    own = DecidedByEncoder()
    for value in (None, b"", b"[]", b"{}", _bytes(submission=[]), _bytes(submission={"message_id": 1}), b"nonsense"):
        own.add_segmented(value)
        own.add_reroute(value)
        own.add_status(value)
    assert not own
