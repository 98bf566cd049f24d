"""What query_sm is told, and when a cancel_sm comes in time."""

from services.simulator.message import SimulatedMessage, query_state
from services.simulator.message_ids import SmscMessageId
from shared.smpp.constants import MessageState
from shared.smpp.pdu import SubmitSm

AT_MS = 1_767_225_600_000


def message(word: str = "UNDELIV") -> SimulatedMessage:
    return SimulatedMessage(SubmitSm(), "shop", SmscMessageId("1", "1"), AT_MS, word, AT_MS + 1000, tells_final=True)


def test_a_message_is_on_its_way_until_its_fate_comes_true() -> None:
    one = message()
    assert query_state(one, AT_MS + 999) == ("", MessageState.ENROUTE)
    assert query_state(one, AT_MS + 1000) == ("260101000001000+", MessageState.UNDELIVERABLE)
    assert one.is_on_its_way(AT_MS)
    assert not one.is_on_its_way(AT_MS + 1000)


def test_a_message_that_nobody_learns_about_stays_on_its_way() -> None:
    assert query_state(message("none"), AT_MS + 9999) == ("", MessageState.ENROUTE)
    assert query_state(message("ACCEPTD"), AT_MS + 9999) == ("", MessageState.ENROUTE)


def test_a_cancelled_message_is_deleted_at_once() -> None:
    one = message()
    one.cancel(AT_MS + 5)
    one.is_settled = True
    assert query_state(one, AT_MS + 6) == ("260101000000000+", MessageState.DELETED)
    assert not one.is_on_its_way(AT_MS)
